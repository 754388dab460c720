// The report in Prometheus's text format, for node_exporter's textfile collector. The metrics are
// described in connleak(1), PROMETHEUS.
#pragma once

#include <string>

#include "cli/report/json.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// Ends with a newline. The same report always gives the same text, with samples in label order. No
// two samples have the same labels, because a reader would reject the whole text.
std::string to_prometheus(const RunFacts& head, const Sample& sample, const Report& report);

}  // namespace connleak::render

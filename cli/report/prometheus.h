// The report for Prometheus, in its text format, for node_exporter's textfile collector. What each
// metric means stands in connleak(1), PROMETHEUS.
#pragma once

#include <string>

#include "cli/report/json.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// Ends with a newline. The same report gives the same text, its samples in the order of their
// labels; no two have the same labels, which would make a reader refuse the whole.
std::string to_prometheus(const RunFacts& head, const Sample& sample, const Report& report);

}  // namespace connleak::render

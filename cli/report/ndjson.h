// The report as NDJSON, one object per line, for log pipelines (man/connleak-ndjson.schema.json).
#pragma once

#include "cli/report/json.h"

namespace connleak::render {

// The objects of to_json()'s lists, with "type": server, connection, process, group, finding, gap.
// The last line is the summary: without it the report is incomplete. Every line has host and time,
// so that it can be understood alone in a log of many hosts.
void to_ndjson(const RunFacts& head, const Sample& sample, const Report& report, const Sink& sink);

}  // namespace connleak::render

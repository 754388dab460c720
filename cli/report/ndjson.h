// The report as NDJSON, one object a line, for log pipelines (man/connleak-ndjson.schema.json).
#pragma once

#include "cli/report/json.h"

namespace connleak::render {

// The objects of to_json()'s lists, with "type": server, connection, process, group, finding, gap.
// The last line is the summary: one who does not find it has not got the whole report. Host and
// time stand in every line, because in a log of many hosts each has to speak for itself.
void to_ndjson(const RunFacts& head, const Sample& sample, const Report& report, const Sink& sink);

}  // namespace connleak::render

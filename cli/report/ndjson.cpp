#include "cli/report/ndjson.h"

#include "cli/report/json_items.h"

namespace connleak::render {

namespace {

// Returns false if the reader wants no more.
template <typename Range, typename Make>
bool write(Lines& lines, std::string_view type, const Range& range, const Make& make) {
    for (const auto& each : range)
        if (!lines.line(type, make(each))) return false;
    return true;
}

Json totals(const Sample& sample, const Report& report) {
    return {{"servers", sample.servers.size()},   {"connections", report.connections.size()},
            {"processes", report.holders.size()}, {"groups", report.groups.size()},
            {"findings", report.findings.size()}, {"gaps", sample.gaps.size()}};
}

}  // namespace

void to_ndjson(const RunFacts& head, const Sample& sample, const Report& report, const Sink& sink) {
    Lines lines(sink, {{"host", json_host(head)}, {"generated_at", generated_at(head)}});
    std::size_t at = 0;
    const bool wanted =
        write(lines, "server", sample.servers,
              [&](const Server& each) { return json_server(each, report.counts[at++]); }) &&
        write(lines, "connection", report.connections,
              [&](const Connection& each) { return json_connection(sample, each); }) &&
        write(lines, "process", report.holders,
              [&](const Holder& each) { return json_process(sample, each); }) &&
        write(lines, "group", report.groups,
              [&](const Group& each) { return json_group(sample, each); }) &&
        write(lines, "finding", report.findings,
              [&](const Finding& each) { return json_finding(sample, each); }) &&
        write(lines, "gap", sample.gaps, json_gap);
    if (!wanted) return;
    Json summary = {{"schema_version", schema_version},
                    {"generator", json_generator()},
                    {"complete", sample.gaps.empty()},
                    {"cost", json_cost(head, sample)},
                    {"totals", totals(sample, report)}};
    if (report.probes) summary["probes"] = json_probes(*report.probes);
    lines.line("summary", summary);
    lines.end();
}

}  // namespace connleak::render

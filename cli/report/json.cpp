#include "cli/report/json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cli/report/json_items.h"

namespace connleak::render {

std::string rfc3339(std::int64_t seconds) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string generated_at(const RunFacts& facts) {
    return facts.generated_at_s == 0 ? std::string() : rfc3339(facts.generated_at_s);
}

std::string rfc3339_ms(std::int64_t milliseconds) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(static_cast<std::time_t>(milliseconds / 1000)),
                       milliseconds % 1000);
}

void to_json(const RunFacts& head, const Sample& sample, const Report& report, const Sink& sink) {
    Document document(sink);
    add_head(document, head, sample);
    std::size_t at = 0;
    document.list("servers", sample.servers,
                  [&](const Server& each) { return json_server(each, report.counts[at++]); });
    document.list("connections", report.connections,
                  [&](const Connection& each) { return json_connection(sample, each); });
    document.list("processes", report.holders,
                  [&](const Holder& each) { return json_process(sample, each); });
    document.list("groups", report.groups,
                  [&](const Group& each) { return json_group(sample, each); });
    document.list("findings", report.findings,
                  [&](const Finding& each) { return json_finding(sample, each); });
    if (report.probes) document.member("probes", json_probes(*report.probes));
    document.member("cost", json_cost(head, sample));
    document.end();
}

}  // namespace connleak::render

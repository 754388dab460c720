#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cli/report/json_items.h"
#include "cli/what_if/render.h"

namespace connleak::render {

namespace {

// The verdicts that a row can have.
constexpr std::array listed_verdicts{Verdict::healthy,    Verdict::ghost,      Verdict::suspect,
                                     Verdict::unverified, Verdict::close_wait, Verdict::transient};

void add_verdicts(Json& json, const VerdictCounts& counts) {
    for (const Verdict verdict : listed_verdicts)
        json[std::string(to_string(verdict))] = counts[static_cast<std::size_t>(verdict)];
}

Json candidate(const Server& server, const TimeoutCandidate& value) {
    Json json = {
        {"server", server_key(server)}, {"timeout_s", value.timeout_s}, {"closes", value.closes}};
    add_verdicts(json, value.verdict);
    json["exempt"] = value.exempt_total();
    Json reasons = Json::object();
    for (std::size_t at = 0; at < exempt_count; ++at)
        reasons[std::string(to_string(static_cast<Exempt>(at)))] = value.exempt[at];
    json["exempt_reasons"] = std::move(reasons);
    Json groups = Json::array();
    for (const TimedOut& part : value.whose) {
        Json group = {{"group", text_or_null(part.group)},
                      {"address", text_or_null(part.address)},
                      {"closes", part.closes}};
        add_verdicts(group, part.verdict);
        groups.push_back(std::move(group));
    }
    json["groups"] = std::move(groups);
    return json;
}

Json idle_range(const IdleRange& value) {
    Json json = {{"from_s", value.from_s}, {"below_s", maybe(value.below_s)}};
    add_verdicts(json, value.verdict);
    json["exempt"] = value.exempt;
    return json;
}

}  // namespace

void what_if_json(const RunFacts& head, const Sample& sample, std::span<const WhatIf> answers,
                  const Sink& sink) {
    std::vector<Json> candidates;
    std::vector<Json> servers;
    // The value that is harmless for all servers.
    std::optional<std::int64_t> harmless;
    for (const WhatIf& answer : answers) {
        const Server& server = sample.servers[answer.server];
        for (const TimeoutCandidate& each : answer.candidates)
            candidates.push_back(candidate(server, each));
        Json idle = Json::array();
        for (const IdleRange& range : answer.idle) idle.push_back(idle_range(range));
        servers.push_back({{"server", server_key(server)},
                           {"clients", answer.clients},
                           {"timeout_s", maybe(server.answer.timeout_s)},
                           {"smallest_harmless_timeout_s", answer.smallest_harmless_s},
                           {"idle", std::move(idle)}});
        harmless = std::max(harmless, std::optional<std::int64_t>(answer.smallest_harmless_s));
    }
    const auto same = [](const Json& json) { return json; };
    Document document(sink);
    add_head(document, head, sample);
    document.list("servers", servers, same);
    document.list("candidates", candidates, same);
    document.member("smallest_harmless_timeout_s", maybe(harmless));
    document.end();
}

}  // namespace connleak::render

#include "diagnosis/actions/what_if.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace connleak {

namespace {

constexpr std::int64_t hour = 3'600;
constexpr std::array<std::int64_t, 8> idle_bounds{0,    10,       60,        600,
                                                  hour, 6 * hour, 24 * hour, 7 * (24 * hour)};

struct Client {
    const Connection* connection;
    std::int64_t idle_s;
    std::optional<Exempt> exempt;
};

// Idle time is reported in whole seconds, and the server checks once a second: a client that has
// been idle for exactly the timeout exceeds it at the next check.
bool closed_within_a_second(const Client& client, std::int64_t timeout_s) {
    return client.idle_s >= timeout_s;
}

TimeoutCandidate judge_timeout(const std::vector<Client>& clients, std::int64_t timeout_s) {
    TimeoutCandidate candidate;
    candidate.timeout_s = timeout_s;
    std::map<std::pair<std::string, std::string>, TimedOut> whose;
    for (const Client& client : clients) {
        if (!closed_within_a_second(client, timeout_s)) continue;
        if (client.exempt) {
            ++candidate.exempt[static_cast<std::size_t>(*client.exempt)];
            continue;
        }
        const Connection& connection = *client.connection;
        const auto verdict = static_cast<std::size_t>(connection.verdict);
        TimedOut& part = whose[{connection.group, connection.own_client_end().address.text()}];
        for (VerdictCounts* counts : {&candidate.verdict, &part.verdict}) ++(*counts)[verdict];
        ++candidate.closes;
        ++part.closes;
    }
    for (auto& [key, part] : whose) {
        std::tie(part.group, part.address) = key;
        candidate.whose.push_back(std::move(part));
    }
    std::ranges::stable_sort(candidate.whose, std::greater{}, &TimedOut::closes);
    return candidate;
}

std::vector<IdleRange> idle_ranges(const std::vector<Client>& clients) {
    std::vector<IdleRange> ranges;
    for (std::size_t at = 0; at < idle_bounds.size(); ++at) {
        IdleRange range{.from_s = idle_bounds[at], .below_s = {}, .verdict = {}, .exempt = 0};
        if (at + 1 < idle_bounds.size()) range.below_s = idle_bounds[at + 1];
        ranges.push_back(range);
    }
    for (const Client& client : clients) {
        const auto next = std::ranges::upper_bound(idle_bounds, client.idle_s);
        IdleRange& range = ranges[static_cast<std::size_t>(next - idle_bounds.begin()) - 1];
        if (client.exempt)
            ++range.exempt;
        else
            ++range.verdict[static_cast<std::size_t>(client.connection->verdict)];
    }
    return ranges;
}

}  // namespace

std::string_view to_string(Exempt why) {
    switch (why) {
        case Exempt::replica:
            return "replica";
        case Exempt::master:
            return "master";
        case Exempt::monitor:
            return "monitor";
        case Exempt::blocked:
            return "blocked";
        case Exempt::subscriber:
            return "subscriber";
        case Exempt::busy:
            return "busy";
    }
    return "";
}

std::uint64_t TimeoutCandidate::exempt_total() const {
    return std::accumulate(exempt.begin(), exempt.end(), std::uint64_t{0});
}

std::vector<WhatIf> what_if(const Sample& sample, const Report& report,
                            std::span<const std::int64_t> timeouts_s) {
    std::vector<std::vector<Client>> clients(sample.servers.size());
    for (const Connection& connection : report.connections) {
        if (connection.row == nullptr || !connection.row->idle_s) continue;
        clients[connection.server].push_back({&connection,
                                              std::max<std::int64_t>(*connection.row->idle_s, 0),
                                              connection.row->exempt});
    }
    std::vector<WhatIf> answers;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        if (!sample.servers[at].answer.clients_complete) continue;
        WhatIf answer;
        answer.server = at;
        answer.clients = clients[at].size();
        for (const Client& client : clients[at])
            if (!client.exempt && client.connection->verdict != Verdict::ghost)
                answer.smallest_harmless_s =
                    std::max(answer.smallest_harmless_s, client.idle_s + 1);
        for (const std::int64_t timeout_s : timeouts_s)
            answer.candidates.push_back(judge_timeout(clients[at], timeout_s));
        answer.idle = idle_ranges(clients[at]);
        answers.push_back(std::move(answer));
    }
    return answers;
}

}  // namespace connleak

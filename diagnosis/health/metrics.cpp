#include "diagnosis/health/metrics.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "diagnosis/findings/findings.h"
#include "diagnosis/holders/holders.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

namespace {

using enum Metric;

constexpr std::array<std::string_view, metric_count> names{
    "ghosts",
    "suspects",
    "orphans",
    "close_wait",
    "unaccepted",
    "keepalive_off",
    "clients_used_percent",
    "ports_used_percent",
    "per_process_max",
    "group_growth",
};

constexpr std::uint32_t bit(Metric metric) {
    return 1U << static_cast<unsigned>(metric);
}
constexpr std::uint32_t of_sockets =
    bit(ghosts) | bit(suspects) | bit(orphans) | bit(close_wait) | bit(unaccepted) |
    bit(keepalive_off) | bit(ports_used_percent) | bit(per_process_max) | bit(group_growth);
constexpr std::uint32_t of_owners = bit(suspects) | bit(per_process_max) | bit(group_growth);
// The server's own client list covers hosts that are not in sight.
constexpr std::uint32_t of_client_list = bit(ghosts) | bit(suspects) | bit(orphans);

std::uint32_t hidden_by(const Gap& gap) {
    if (gap.source == "netlink" || gap.source == "netns") return of_sockets;
    if (gap.source == "conntrack" || gap.source == "snapshot") return bit(ghosts) | bit(orphans);
    // A file outside /proc is a pool's configuration, which no metric needs.
    if (gap.source == "proc")
        return gap.scope.starts_with('/') && gap.scope != "/proc" ? 0 : of_owners;
    // Gaps of servers are judged by the fields that their answers lack.
    return is_server_gap(gap) ? 0 : of_sockets | bit(clients_used_percent);
}

std::uint32_t hidden_by(const Server& server) {
    // For a service that cannot be asked, only the kernel's sockets can be in sight.
    if (!can_be_asked(server.kind)) return server.listening.empty() ? of_client_list : 0;
    std::uint32_t result = 0;
    if (!server.answer.connected_clients || client_limit(server).value_or(0) == 0)
        result |= bit(clients_used_percent);
    if (!server.answer.clients_complete) result |= of_client_list;
    return result;
}

std::string sentence(const Gap& gap) {
    return gap.source + ' ' + gap.scope + ": " + gap.effect + " (" + gap.error + ')';
}

// Something that is missing in many places for one reason is reported once.
void add_gaps(const Sample& sample, std::vector<Blind>& result) {
    using Reason = std::tuple<std::string, std::string, std::string, std::uint32_t>;
    std::map<Reason, std::vector<const Gap*>> alike;
    std::vector<Reason> order;
    for (const Gap& gap : sample.gaps) {
        if (is_server_gap(gap)) continue;
        const Reason reason{gap.source, gap.error, gap.effect, hidden_by(gap)};
        auto& places = alike[reason];
        if (places.empty()) order.push_back(reason);
        places.push_back(&gap);
    }
    for (const Reason& reason : order) {
        const auto& places = alike[reason];
        Gap gap = *places.front();
        if (places.size() > 1) gap.scope += " and " + phrase::number(places.size() - 1) + " more";
        result.push_back({sentence(gap), std::get<std::uint32_t>(reason)});
    }
}

std::vector<Blind> blind_spots(const Sample& sample) {
    std::vector<Blind> result;
    add_gaps(sample, result);
    for (const Server& server : sample.servers) {
        const std::uint32_t hidden = hidden_by(server);
        const std::string scope = server.path.empty() ? server.endpoint.text() : server.path;
        bool told = false;
        for (const Gap& gap : sample.gaps) {
            if (!is_server_gap(gap) || gap.scope != scope) continue;
            result.push_back({sentence(gap), told ? 0 : hidden});
            told = true;
        }
        if (told || hidden == 0) continue;
        if (!can_be_asked(server.kind))
            result.push_back({label(server) + " does not listen in what is in sight; only one side "
                                              "of its connections is shown",
                              hidden});
        else if (server.answer.asked)
            result.push_back({label(server) + " does not tell its clients or their limit", hidden});
        else
            result.push_back({label(server) + " is seen from this side only; name it as a TARGET "
                                              "to have it asked",
                              hidden});
    }
    // A gap about a server that is no longer in the list.
    for (const Gap& gap : sample.gaps) {
        const bool listed = std::ranges::any_of(sample.servers, [&](const Server& server) {
            return gap.scope == (server.path.empty() ? server.endpoint.text() : server.path);
        });
        if (is_server_gap(gap) && !listed)
            result.push_back({sentence(gap), of_client_list | bit(clients_used_percent)});
    }
    return result;
}

void add(Reading& reading, double value) {
    reading.value = reading.value.value_or(0) + value;
}

void raise(Reading& reading, double value, const std::string& who) {
    if (reading.value && *reading.value >= value) return;
    reading.value = value;
    reading.worst = who;
}

// Rounded down to a tenth, so that the value shown is the value judged.
double percent(std::uint64_t part, std::uint64_t whole) {
    const std::uint64_t tenths = part * 1000 / whole;
    return static_cast<double>(tenths) / 10;
}

void measure_verdicts(const Sample& sample, const Report& report, Measures& measures) {
    const auto sum = [&](Metric metric, const auto& count) {
        Reading& reading = measures[metric];
        reading.value = 0;
        std::uint64_t most = 0;
        for (std::size_t at = 0; at < sample.servers.size(); ++at) {
            const std::uint64_t here = count(report.counts[at]);
            add(reading, static_cast<double>(here));
            if (here <= most) continue;
            most = here;
            reading.worst = label(sample.servers[at]);
        }
    };
    const auto verdicts = [&](Metric metric, Verdict verdict) {
        sum(metric, [verdict](const ServerCounts& counts) {
            return counts.verdict[static_cast<std::size_t>(verdict)];
        });
    };
    verdicts(ghosts, Verdict::ghost);
    verdicts(suspects, Verdict::suspect);
    verdicts(orphans, Verdict::orphan);
    verdicts(close_wait, Verdict::close_wait);
    verdicts(unaccepted, Verdict::unaccepted);
    sum(keepalive_off, [](const ServerCounts& counts) {
        return counts.keepalive[static_cast<std::size_t>(Keepalive::off)];
    });
}

void measure_holders(const Sample& sample, const Report& report, Measures& measures) {
    measures[per_process_max].value = 0;
    for (const Holder& holder : report.holders) {
        const std::string who =
            holder_of(sample, holder).group + ", pid " + std::to_string(holder.pid);
        raise(measures[per_process_max], static_cast<double>(holder.connections), who);
    }
}

}  // namespace

std::string_view to_string(Metric metric) {
    return names[static_cast<std::size_t>(metric)];
}

std::optional<Metric> parse_metric(std::string_view text) {
    const auto found = std::ranges::find(names, text);
    if (found == names.end()) return std::nullopt;
    return static_cast<Metric>(found - names.begin());
}

std::string_view unit(Metric metric) {
    return metric == clients_used_percent || metric == ports_used_percent ? "%" : "";
}

std::string label(const Server& server) {
    if (!server.path.empty()) return server.path;
    if (server.endpoint.address.is_unspecified())
        return "*:" + std::to_string(server.endpoint.port);
    return server.endpoint.text();
}

bool nobody_listens(const Sample& sample, const Server& server) {
    if (can_be_asked(server.kind) || !server.netns || !server.listening.empty()) return false;
    const auto place = std::ranges::find(sample.namespaces, *server.netns, &Namespace::id);
    return place != sample.namespaces.end() && place->complete &&
           place->translation == Translation::none;
}

Measures measure(const Sample& sample, const Report& report) {
    Measures measures;
    measure_verdicts(sample, report, measures);
    measure_holders(sample, report, measures);
    measures[ports_used_percent].value = 0;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        const Server& server = sample.servers[at];
        const auto limit = client_limit(server);
        const auto used = client_slots(server);
        if (used && limit && *limit > 0)
            raise(measures[clients_used_percent], percent(*used, *limit), label(server));
        if (const auto use = fullest_ports(sample, report, at))
            raise(measures[ports_used_percent], percent(use->used, use->range), use->from.text());
    }
    measures.blind = blind_spots(sample);
    return measures;
}

}  // namespace connleak

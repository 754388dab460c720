#include "cli/report/prometheus.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/render/json.h"
#include "diagnosis/findings/findings.h"

namespace connleak::render {

namespace {

// The maximum number of groups of one server with their own series; the smallest others are summed.
constexpr std::size_t groups_shown = 50;
constexpr std::string_view other_groups = "(all other groups)";

// name="value", escaped for the text format: names can be any bytes, labels only UTF-8.
std::string label(std::string_view name, std::string_view value) {
    std::string text = fmt::format("{}=\"", name);
    for (const char c : valid_utf8(value)) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text + '"';
}

// The samples of one metric by their labels. Samples with the same labels are added.
class Metric {
  public:
    Metric(std::string_view name, std::string_view type, std::string_view help)
        : head_(fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help)), name_(name) {}

    void add(const std::string& labels, double value) { samples_[labels] += value; }
    template <typename T>
    void add(const std::string& labels, const std::optional<T>& value) {
        if (value) add(labels, static_cast<double>(*value));
    }

    // Empty if there is no sample.
    [[nodiscard]] std::string text() const {
        std::string text = samples_.empty() ? "" : head_;
        for (const auto& [labels, value] : samples_) {
            const std::string braced = labels.empty() ? "" : '{' + labels + '}';
            text += fmt::format("{}{} {}\n", name_, braced, value);
        }
        return text;
    }

  private:
    std::string head_;
    std::string name_;
    std::map<std::string, double> samples_;
};

// The labels that identify each server. If several hosts have servers with the same address and
// port, those outside our own namespace also have a label for their namespace.
std::vector<std::string> server_labels(const Sample& sample) {
    std::vector<std::string> names;
    std::map<std::string, int> bearers;
    for (const Server& server : sample.servers) {
        names.push_back(
            label("server", server.path.empty() ? server.endpoint.text() : server.path));
        ++bearers[names.back()];
    }
    std::map<std::string, int> taken;
    for (std::size_t at = 0; at < names.size(); ++at) {
        const auto netns = sample.servers[at].netns;
        if (bearers[names[at]] > 1 && netns) {
            const auto place = std::ranges::find(sample.namespaces, *netns, &Namespace::id);
            const bool known = place != sample.namespaces.end();
            const std::string name =
                known && !place->name.empty() ? place->name : std::to_string(*netns);
            if (!known || !place->own) names[at] += ',' + label("netns", name);
        }
        // Two different namespace names can become equal when converted to valid UTF-8.
        if (const int before = taken[names[at]]++; before > 0)
            names[at] += fmt::format(",copy=\"{}\"", before + 1);
    }
    return names;
}

struct GroupTotal {
    std::string name;
    std::uint64_t connections = 0;
    std::uint64_t workers = 0;
};

// The groups of a server, limited to the number that may have series.
std::vector<GroupTotal> bounded_groups(const Report& report, std::size_t server) {
    std::vector<GroupTotal> groups;
    for (const Group& each : report.groups)
        if (each.server == server) groups.push_back({each.name, each.connections, each.workers});
    std::ranges::sort(groups, [](const GroupTotal& a, const GroupTotal& b) {
        return a.connections != b.connections ? a.connections > b.connections : a.name < b.name;
    });
    for (std::size_t at = groups_shown; at < groups.size(); ++at) groups[at].name = other_groups;
    return groups;
}

}  // namespace

std::string to_prometheus(const RunFacts& head, const Sample& sample, const Report& report) {
    Metric up("connleak_up", "gauge",
              "Whether the server answered; absent for one that was not asked.");
    Metric clients("connleak_clients", "gauge", "Connected clients, by the server's own count.");
    Metric limit("connleak_clients_limit", "gauge",
                 "Clients that the server can take: maxclients, or fewer where its descriptors do "
                 "not suffice.");
    Metric rejected("connleak_rejected_connections_total", "counter",
                    "Connections that the server refused at its limit.");
    Metric connections("connleak_connections", "gauge",
                       "Connections to the server, by what the diagnosis says of them.");
    Metric keepalive("connleak_keepalive_connections", "gauge",
                     "Established connections to the server, by the state of TCP keepalive.");
    Metric group_connections("connleak_group_connections", "gauge",
                             "Connections that the processes of a group hold to the server.");
    Metric group_workers("connleak_group_workers", "gauge",
                         "Processes of a group that holds connections to the server.");
    Metric findings("connleak_findings", "gauge",
                    "What is wrong: how many connections (or other things) a finding is about, at "
                    "least 1; absent when there is no such finding.");
    Metric ports("connleak_ephemeral_ports_used_ratio", "gauge",
                 "Share of the ephemeral ports that connections to the server use, of the client "
                 "address in sight that uses most.");

    const std::vector<std::string> labels = server_labels(sample);
    for (std::size_t at = 0; at < labels.size(); ++at) {
        const ServerAnswer& answer = sample.servers[at].answer;
        const std::string& server = labels[at];
        if (answer.asked) up.add(server, answer.reachable ? 1 : 0);
        clients.add(server, answer.connected_clients);
        limit.add(server, client_limit(sample.servers[at]));
        rejected.add(server, answer.rejected_connections);
        const ServerCounts& counts = report.counts[at];
        for (std::size_t each = 0; each < verdict_count; ++each)
            connections.add(server + ',' + label("verdict", to_string(static_cast<Verdict>(each))),
                            static_cast<double>(counts.verdict[each]));
        for (std::size_t each = 0; each < keepalive_count; ++each)
            keepalive.add(
                server + ',' + label("keepalive", to_string(static_cast<Keepalive>(each))),
                static_cast<double>(counts.keepalive[each]));
        for (const GroupTotal& group : bounded_groups(report, at)) {
            const std::string both = server + ',' + label("group", group.name);
            group_connections.add(both, static_cast<double>(group.connections));
            group_workers.add(both, static_cast<double>(group.workers));
        }
        if (const auto use = fullest_ports(sample, report, at))
            ports.add(server, static_cast<double>(use->used) / static_cast<double>(use->range));
    }
    for (const Finding& each : report.findings)
        findings.add(labels[each.server] + ',' + label("code", each.code) + ',' +
                         label("severity", to_string(each.severity)),
                     static_cast<double>(std::max<std::uint64_t>(each.count, 1)));

    Metric complete("connleak_scan_complete", "gauge",
                    "1, or 0 when there was something that the scan could not see.");
    complete.add("", sample.gaps.empty() ? 1 : 0);
    Metric duration("connleak_scan_duration_seconds", "gauge", "How long the scan took.");
    duration.add("", head.wall_ms / 1000);
    Metric timestamp("connleak_scan_timestamp_seconds", "gauge",
                     "When the scan began, in seconds since the epoch.");
    timestamp.add("", static_cast<double>(head.generated_at_s));

    std::string text;
    for (const Metric* metric :
         {&up, &clients, &limit, &rejected, &connections, &keepalive, &group_connections,
          &group_workers, &findings, &ports, &complete, &duration, &timestamp})
        text += metric->text();
    return text;
}

}  // namespace connleak::render

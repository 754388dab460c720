#include "cli/report/grids.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/render/text.h"
#include "diagnosis/findings/commands.h"
#include "diagnosis/holders/holders.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"

namespace connleak::render {

namespace {

using Align = Grid::Align;
using phrase::number;

constexpr std::size_t hosts_by_name = 5;
constexpr std::size_t processes_by_name = 10;

std::string time_or_dash(std::optional<std::int64_t> seconds) {
    return seconds ? phrase::duration(*seconds) : "-";
}

// Unix sockets have no keepalive.
std::string keepalive_text(std::uint64_t on, std::uint64_t able) {
    return able == 0 ? "-" : fmt::format("{} of {}", number(on), number(able));
}

// Connections without an owner in sight, as one line of the holder grid.
struct Others {
    std::string name;
    std::uint64_t connections = 0;
    std::uint64_t keepalive_on = 0;
    std::uint64_t by_unix_socket = 0;
    std::optional<std::int64_t> oldest_s = std::nullopt;
    std::optional<std::int64_t> silent_s = std::nullopt;

    void add(const Connection& connection) {
        ++connections;
        keepalive_on += connection.keepalive == Keepalive::on ? 1U : 0U;
        by_unix_socket += is_unix(connection) ? 1U : 0U;
        if (connection.age_s) oldest_s = std::max(oldest_s.value_or(0), *connection.age_s);
        if (connection.last_heard_ms)
            silent_s = std::max(silent_s.value_or(0), *connection.last_heard_ms / 1000);
    }
    void add(const Others& other) {
        connections += other.connections;
        keepalive_on += other.keepalive_on;
        by_unix_socket += other.by_unix_socket;
        if (other.oldest_s) oldest_s = std::max(oldest_s.value_or(0), *other.oldest_s);
        if (other.silent_s) silent_s = std::max(silent_s.value_or(0), *other.silent_s);
    }
    [[nodiscard]] std::vector<std::string> cells() const {
        return {name,
                "-",
                number(connections),
                "-",
                "-",
                time_or_dash(oldest_s),
                time_or_dash(silent_s),
                keepalive_text(keepalive_on, connections - by_unix_socket)};
    }
};

std::vector<Others> others_of(const Report& report, std::size_t server) {
    Others nobody{.name = "nobody (ghosts)"};
    Others hidden{.name = "a process that is not visible"};
    std::map<std::string, Others> hosts;
    for (const Connection& connection : report.connections) {
        // Connections of groups have their own lines.
        if (connection.server != server) continue;
        if (connection.client_socket != nullptr && !connection.group.empty()) continue;
        if (connection.verdict == Verdict::transient) continue;
        if (connection.verdict == Verdict::ghost) {
            nobody.add(connection);
        } else if (connection.client_socket != nullptr) {
            hidden.add(connection);
        } else {
            const std::string name = !connection.group.empty() ? printable(connection.group)
                                     : connection.client_path.empty()
                                         ? "host " + connection.own_client_end().address.text()
                                         : printable("unix:" + connection.client_path);
            hosts[name].add(connection);
        }
    }
    std::vector<Others> sorted;
    for (auto& [name, host] : hosts) {
        host.name = name;
        sorted.push_back(host);
    }
    std::ranges::stable_sort(sorted, std::greater{}, &Others::connections);
    if (sorted.size() > hosts_by_name + 1) {
        Others rest{.name = fmt::format("{} more hosts", number(sorted.size() - hosts_by_name))};
        for (std::size_t at = hosts_by_name; at < sorted.size(); ++at) rest.add(sorted[at]);
        sorted.resize(hosts_by_name);
        sorted.push_back(rest);
    }
    for (const Others& each : {hidden, nobody})
        if (each.connections > 0) sorted.push_back(each);
    return sorted;
}

// " on web1" if it is another host.
std::string on_host(const Sample& sample, std::optional<std::size_t> host) {
    return host ? " on " + printable(sample.peer_hosts[*host].name) : "";
}

std::string of_total(std::uint64_t part, std::uint64_t total) {
    return fmt::format("{} of {}", number(part), number(total));
}

// The clients of a proxy, below its line. Their figures are those of their connections to the
// proxy.
void add_behind(const ProxyUse& proxy, Grid& grid) {
    if (!proxy.clients) grid.row({"  behind it: not known", "-", "-", "-", "-", "-", "-", "-"});
    Others rest{.name = ""};
    std::size_t hosts = 0;
    for (const Behind& behind : proxy.behind) {
        const Group& group = behind.group;
        if (!behind.address) {
            grid.row({"  behind it: " + printable(group.name), number(group.workers),
                      number(group.connections), number(group.per_worker_max),
                      number(group.persistent), time_or_dash(group.oldest_s),
                      time_or_dash(group.silent_max_s),
                      of_total(group.keepalive_on, group.connections)});
            continue;
        }
        const Others host{.name = "  behind it: host " + group.name,
                          .connections = group.connections,
                          .keepalive_on = group.keepalive_on,
                          .oldest_s = group.oldest_s,
                          .silent_s = group.silent_max_s};
        if (++hosts <= hosts_by_name)
            grid.row(host.cells());
        else
            rest.add(host);
    }
    if (hosts <= hosts_by_name) return;
    rest.name = fmt::format("  behind it: {}", phrase::count(hosts - hosts_by_name, "more host"));
    grid.row(rest.cells());
}

std::string client_text(const Connection& connection) {
    constexpr std::size_t widest = 47;  // of an IPv6 address and a port
    if (!connection.client_path.empty())
        return fit(printable("unix:" + connection.client_path), widest);
    return connection.own_client_end().text();
}

// Without a port if it is not known.
std::string behind_text(const Endpoint& end) {
    return end.port != 0 ? end.text() : end.address.text();
}

// The server side, or the client side if only that has the facts.
const Socket* telling_socket(const Connection& connection) {
    const Socket* client = connection.client_socket;
    if (connection.server_socket == nullptr ||
        (client != nullptr && client->state == State::close_wait))
        return client;
    return connection.server_socket;
}

std::string timer_text(const Connection& connection) {
    const Socket* socket = telling_socket(connection);
    if (socket == nullptr || is_unix(connection)) return "-";
    if (socket->timer.kind == TimerKind::off) return "off";
    std::string text = fmt::format("{} {}", to_string(socket->timer.kind),
                                   phrase::short_duration(socket->timer.expires_ms / 1000));
    if (socket->timer.retransmits > 0) text += fmt::format(" x{}", socket->timer.retransmits);
    return text;
}

// Most important verdict first.
int rank(Verdict verdict) {
    switch (verdict) {
        case Verdict::ghost:
            return 0;
        case Verdict::orphan:
            return 1;
        case Verdict::suspect:
            return 2;
        case Verdict::close_wait:
            return 3;
        case Verdict::unaccepted:
            return 4;
        case Verdict::unverified:
            return 5;
        case Verdict::transient:
            return 6;
        case Verdict::healthy:
            return 7;
    }
    return 8;
}

}  // namespace

std::vector<std::string> holder_lines(const Sample& sample, const Report& report,
                                      std::size_t server, std::size_t columns) {
    Grid grid({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right,
               Align::right, Align::right});
    grid.row({"HOLDER", "PROCS", "CONNS", "EACH", "PERSISTENT", "OLDEST", "SILENT", "KEEPALIVE"});
    std::size_t rows = 0;
    for (const Group& group : report.groups) {
        if (group.server != server) continue;
        ++rows;
        grid.row({printable(group.name) + on_host(sample, group.host), number(group.workers),
                  number(group.connections), number(group.per_worker_max), number(group.persistent),
                  time_or_dash(group.oldest_s), time_or_dash(group.silent_max_s),
                  keepalive_text(group.keepalive_on, group.connections - group.by_unix_socket)});
        if (group.proxy) add_behind(*group.proxy, grid);
    }
    for (const Others& each : others_of(report, server)) {
        ++rows;
        grid.row(each.cells());
    }
    if (rows == 0) return {};
    return grid.lines(columns, {0});
}

std::vector<std::string> proxy_lines(const Sample& sample, const Report& report,
                                     std::size_t server) {
    std::set<std::string> commands;
    for (const Group& group : report.groups) {
        if (group.server != server || !group.proxy || group.proxy->behind.empty()) continue;
        for (const ProxyListener& each : group.proxy->listening) {
            Server front;
            front.kind = ServerKind::tcp;
            front.endpoint = each.endpoint;
            front.netns = each.netns;
            front.listening = {each.endpoint};
            commands.insert(Commands(sample, front).connleak("scan"));
        }
    }
    commands.erase("");
    std::vector<std::string> lines;
    if (commands.empty()) return lines;
    lines.emplace_back("Those behind a proxy are judged by a scan of its port:");
    for (const std::string& command : commands) lines.push_back("  " + printable(command));
    return lines;
}

std::vector<std::string> process_lines(const Sample& sample, const Report& report,
                                       std::size_t server, std::size_t columns) {
    Grid grid({Align::right, Align::left, Align::right, Align::right, Align::right, Align::right,
               Align::right, Align::left});
    grid.row({"PID", "USER", "CONNS", "PERSISTENT", "CLOSE-WAIT", "OLDEST", "IDLE", "COMMAND"});
    std::size_t rows = 0;
    std::size_t more = 0;
    for (const Holder& holder : report.holders) {
        if (holder.server != server) continue;
        if (rows == processes_by_name) {
            ++more;
            continue;
        }
        ++rows;
        const Process& process = holder_of(sample, holder);
        const std::string& command = process.command.empty() ? process.comm : process.command;
        grid.row({std::to_string(holder.pid) + on_host(sample, holder.host),
                  printable(process.user), number(holder.connections), number(holder.persistent),
                  number(holder.close_wait), time_or_dash(holder.oldest_s),
                  time_or_dash(holder.idle_max_s), printable(command)});
    }
    if (rows == 0) return {};
    std::vector<std::string> lines = grid.lines(columns, {7, 1});
    if (more > 0)
        lines.push_back(
            fmt::format("… and {}", phrase::count(more, "more process", "more processes")));
    return lines;
}

std::vector<std::string> connection_lines(const Sample& sample, const Report& report,
                                          std::size_t server, std::size_t columns,
                                          const Paint& paint) {
    std::vector<const Connection*> sorted;
    for (const Connection& connection : report.connections)
        if (connection.server == server) sorted.push_back(&connection);
    if (sorted.empty()) return {};
    std::ranges::stable_sort(sorted, {}, [](const Connection* each) {
        return std::pair(rank(each->verdict), -each->last_heard_ms.value_or(0));
    });

    Grid grid({Align::left, Align::left, Align::left, Align::left, Align::right, Align::right,
               Align::left, Align::left});
    Grid narrow({Align::left, Align::left, Align::right, Align::right, Align::left, Align::left});
    const auto row = [&](std::vector<std::string> cells) {
        grid.row(cells);
        // If there is too little room, the verdict is shown instead of the state and its timer.
        cells.erase(cells.begin() + 2, cells.begin() + 4);
        narrow.row(std::move(cells));
    };
    row({"VERDICT", "CLIENT", "STATE", "TIMER", "SILENT", "AGE", "HELD BY", "WHY"});
    for (const Connection* each : sorted) {
        const Socket* socket = telling_socket(*each);
        std::string holder = "-";
        if (each->client_socket != nullptr) {
            const Processes& processes = sample.processes_of(each->client_socket->netns);
            const auto owners = processes.owners.find(each->client_socket->inode);
            if (owners != processes.owners.end() && !owners->second.empty()) {
                holder = fmt::format("{} {}", owners->second.front().pid, printable(each->group));
                if (owners->second.size() > 1)
                    holder += fmt::format(" +{}", owners->second.size() - 1);
            }
            if (const ProxiedClient* behind = each->proxied)
                holder += " for " + (behind->group.empty() ? behind_text(behind->address)
                                                           : printable(behind->group));
        }
        std::string why;
        for (const Evidence evidence : each->evidence)
            why += (why.empty() ? "" : ", ") + std::string(to_string(evidence));
        const auto heard = each->last_heard_ms.transform([](std::int64_t ms) { return ms / 1000; });
        row({std::string(to_string(each->verdict)), client_text(*each),
             socket != nullptr ? std::string(ss_name(socket->state)) : "-", timer_text(*each),
             time_or_dash(heard), time_or_dash(each->age_s), holder, why});
    }
    std::vector<std::string> lines =
        grid.natural_width() <= columns ? grid.lines(columns, {}) : narrow.lines(columns, {4, 5});
    // Coloured after alignment, because colour codes have no width.
    for (std::size_t at = 0; at < sorted.size(); ++at) {
        const std::string_view name = to_string(sorted[at]->verdict);
        lines[at + 1] =
            paint.verdict(sorted[at]->verdict, name) + lines[at + 1].substr(name.size());
    }
    return lines;
}

}  // namespace connleak::render

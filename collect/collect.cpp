#include "collect/collect.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "collect/ask.h"
#include "collect/cluster_bus.h"
#include "collect/discover.h"
#include "collect/host.h"
#include "collect/proxies.h"
#include "collect/translations.h"
#include "collect/unix_sockets.h"
#include "diagnosis/connections/join.h"
#include "probes/proc/processes.h"

namespace connleak::collect {

namespace {

// Of several processes that hold the listening socket (a forked child has a copy) the one that is
// nobody's child among them.
void name_listening_process(Server& server, const std::vector<Socket>& listeners,
                            const Processes& processes) {
    for (const Socket& socket : listeners) {
        if (socket.netns != server.netns ||
            std::ranges::find(server.listening, socket.tuple.local) == server.listening.end())
            continue;
        const auto owners = processes.owners.find(socket.inode);
        if (owners == processes.owners.end() || server.pid) continue;
        for (const Owner& owner : owners->second) {
            const auto process = processes.by_pid.find(owner.pid);
            if (process == processes.by_pid.end()) continue;
            const bool child = std::ranges::any_of(owners->second, [&](const Owner& other) {
                return other.pid != owner.pid && other.pid == process->second.parent;
            });
            if (!child) server.pid = owner.pid;
        }
    }
    if (!server.pid) return;
    const auto process = processes.by_pid.find(*server.pid);
    if (process != processes.by_pid.end()) server.fd_limit = process->second.fd_limit;
}

}  // namespace

std::optional<std::string> collect(Session& session, const std::string& password) {
    read_translations(session);
    if (auto wrong = discover_servers(session)) return wrong;
    find_translated_servers(session);
    session.sample().asked_at_ms = wall_clock_ms();
    ask_servers(session, password);
    find_translated_servers(session);
    settle_cluster_bus(session);
    find_listeners_of_unix_servers(session);

    Sample& sample = session.sample();
    std::vector<std::uint16_t> ports = ports_of_interest(session);
    add_translated_ports(session, ports);
    netlink::SocketQuery query;
    query.states = ~state_bit(State::listen);
    query.ports = ports;
    if (!ports.empty()) sample.sockets = session.dump(query);
    count_bus_links(sample);
    discover_remote_servers(session);

    netlink::SocketQuery listening;
    listening.states = state_bit(State::listen);
    listening.with_info = false;
    const std::vector<Socket> listeners =
        ports.empty() ? std::vector<Socket>() : session.dump(listening);
    std::unordered_set<std::uint32_t> inodes;
    for (const Socket& socket : sample.sockets) inodes.insert(socket.inode);
    std::unordered_set<std::uint32_t> beside;  // of those that are none of a server's
    for (const Socket& socket : listeners) {
        const bool of_interest = std::ranges::binary_search(ports, socket.tuple.local.port);
        (of_interest ? inodes : beside).insert(socket.inode);
    }
    read_unix_sockets(session, inodes);
    inodes.erase(0);
    beside.erase(0);
    sample.processes = probes::read_processes(inodes, "/proc", "", beside);
    std::ranges::move(sample.processes.gaps, std::back_inserter(sample.gaps));
    sample.processes.gaps.clear();
    find_left_ends(session);
    for (Server& server : sample.servers)
        name_listening_process(server, listeners, sample.processes);
    collect_proxies(session, listeners);
    return std::nullopt;
}

}  // namespace connleak::collect

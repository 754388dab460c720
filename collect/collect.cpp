#include "collect/collect.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "collect/host.h"
#include "collect/servers/cluster_bus.h"
#include "collect/servers/discover.h"
#include "collect/servers/listeners.h"
#include "collect/servers/proxies.h"
#include "collect/translations.h"
#include "collect/unix_sockets.h"
#include "diagnosis/connections/join.h"
#include "probes/proc/processes.h"

namespace connleak::collect {

namespace {

// If several processes hold the listening socket (a forked child inherits it), the one that is not
// a child of another.
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

// Adds each gap once: several stages read the same tables.
void add_gaps(std::vector<Gap> more, std::vector<Gap>& gaps) {
    for (Gap& gap : more)
        if (std::ranges::find(gaps, gap) == gaps.end()) gaps.push_back(std::move(gap));
}

// Keeps the gaps of a stage and returns its value.
template <typename Value>
Value take(Read<Value> read, std::vector<Gap>& gaps) {
    add_gaps(std::move(read.gaps), gaps);
    return std::move(read.value);
}

// The options that the report's commands repeat.
Sample asked_for(const Request& request) {
    Sample sample;
    sample.password_file = request.password_file;
    sample.password_asked = request.ask_password;
    sample.defaults_file = request.defaults_file;
    sample.tls_words = request.tls_arguments;
    sample.can_tls = probes::why_no_tls().empty();
    return sample;
}

// Processes that were asked by a Unix socket may also listen on TCP.
bool any_by_path(const std::vector<Server>& servers) {
    return !std::ranges::all_of(servers, &std::string::empty, &Server::path);
}

// The owners of the servers' sockets and of other listening sockets; of the latter nothing else is
// read.
Read<Processes> read_owners(const Sample& sample, const std::vector<Socket>& listeners,
                            const std::vector<std::uint16_t>& ports) {
    std::unordered_set<std::uint32_t> inodes;
    for (const Socket& socket : sample.sockets) inodes.insert(socket.inode);
    for (const UnixSocket& socket : sample.unix_side.sockets) inodes.insert(socket.socket.inode);
    std::unordered_set<std::uint32_t> beside;
    for (const Socket& socket : listeners) {
        const bool of_interest = std::ranges::binary_search(ports, socket.tuple.local.port);
        (of_interest ? inodes : beside).insert(socket.inode);
    }
    inodes.erase(0);
    beside.erase(0);
    Read<Processes> read;
    read.value = probes::read_processes(inodes, "/proc", "", beside);
    read.gaps = std::exchange(read.value.gaps, {});
    return read;
}

Processes with_more(Processes processes, Processes more) {
    processes.owners.merge(more.owners);
    processes.by_pid.merge(more.by_pid);
    std::ranges::move(more.pools, std::back_inserter(processes.pools));
    return processes;
}

}  // namespace

std::expected<Sample, std::string> collect(const Request& request, const Login& login,
                                           Namespaces& namespaces) {
    Sample sample = asked_for(request);
    std::vector<Gap>& gaps = sample.gaps;

    // Translations first: otherwise an entry that ends during the run would be missed.
    Translations translations =
        read_translations(namespaces, take(namespaces.read_networks(), gaps));
    sample.namespaces = std::move(translations.networks);
    sample.tracked = std::move(translations.tracked);
    add_gaps(std::move(translations.gaps), gaps);

    const Listeners listeners = read_listeners(namespaces);
    add_gaps(listeners.gaps, gaps);
    sample.unix_side.earlier = accepted_by_unix(listeners);
    auto found = find_servers(request, namespaces, sample.namespaces, listeners);
    if (!found) return std::unexpected(found.error());
    std::vector<Server> servers =
        place_by_connections(namespaces, sample, listeners.tcp, std::move(*found));

    namespaces.release();
    sample.asked_at_ms = wall_clock_ms();
    servers =
        take(ask_servers(request, login, namespaces, sample.namespaces, std::move(servers)), gaps);
    for (const Server& server : servers) sample.asking_ms += server.answer.asking_ms;

    // The listeners may have changed while the run waited for slow servers.
    const std::vector<Socket> listening = take(read_listening_sockets(namespaces), gaps);
    servers = place_by_own_connection(namespaces, sample, listening, std::move(servers));
    servers = with_settled_bus(std::move(servers));
    if (any_by_path(servers))
        servers = with_listeners_of_unix_servers(std::move(servers), read_listeners(namespaces));

    std::vector<std::uint16_t> ports =
        with_translated_ports(sample.tracked, ports_of_interest(request, servers));
    std::erase_if(sample.tracked, [&](const TrackedConnection& entry) {
        return !std::ranges::binary_search(ports, entry.reply.local.port);
    });
    netlink::SocketQuery query;
    query.states = ~state_bit(State::listen);
    query.ports = ports;
    if (!ports.empty()) sample.sockets = take(namespaces.read_sockets(query), gaps);
    sample.servers = with_bus_links(std::move(servers), sample.sockets);
    std::ranges::move(find_remote_servers(request, namespaces, sample),
                      std::back_inserter(sample.servers));
    sample.unix_side.sockets = take(read_unix_sockets(namespaces, sample.servers), gaps);

    sample.processes = take(read_owners(sample, listening, ports), gaps);
    sample.unix_side =
        take(find_left_ends(std::move(sample.unix_side), sample.servers, sample.processes), gaps);
    for (Server& server : sample.servers)
        name_listening_process(server, listening, sample.processes);

    Proxies proxies = find_proxies(request, namespaces, sample, listening);
    sample.proxies = std::move(proxies.proxies);
    sample.processes = with_more(std::move(sample.processes), std::move(proxies.processes));
    add_gaps(std::move(proxies.gaps), gaps);
    ServersBehind behind = behind_proxies(request, sample, std::move(sample.servers));
    sample.servers = std::move(behind.servers);
    sample.asked_through = std::move(behind.asked_through);
    add_gaps(std::move(behind.gaps), gaps);
    return sample;
}

}  // namespace connleak::collect

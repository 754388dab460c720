#include "collect/discover.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <unordered_set>

#include "collect/cluster_bus.h"
#include "collect/discover_unix.h"
#include "collect/resolve.h"
#include "collect/translations.h"
#include "diagnosis/connections/join.h"
#include "diagnosis/model/server_family.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

namespace {

std::vector<std::uint16_t> default_ports(const Request& request) {
    std::vector<std::uint16_t> ports = usual_ports();
    std::ranges::copy(request.ports, std::back_inserter(ports));
    return ports;
}

bool contains(const std::vector<std::uint16_t>& ports, std::uint16_t port) {
    return std::ranges::find(ports, port) != ports.end();
}

bool is_usual(std::uint16_t port) {
    return contains(usual_ports(), port);
}

// How the report names a server by its listening sockets: what others can reach it by, the usual
// port first.
Endpoint best_name(const std::vector<Endpoint>& listening) {
    const auto rank = [](const Endpoint& end) {
        return std::tuple(!is_usual(end.port), end.port, end.address.is_loopback(),
                          end.address.family() != Family::ipv4, end.address);
    };
    return *std::ranges::min_element(listening, {}, rank);
}

class Discovery {
  public:
    explicit Discovery(Session& session) : session_(session), unix_(session) {
        netlink::SocketQuery query;
        query.states = state_bit(State::listen);
        query.with_info = false;
        listeners_ = session.dump(query);
        std::unordered_set<std::uint32_t> inodes;
        for (const Socket& socket : listeners_) inodes.insert(socket.inode);
        unix_.add_inodes(inodes);
        processes_ = probes::find_server_processes(inodes);
    }

    [[nodiscard]] const UnixDiscovery& by_unix() const { return unix_; }

    // Every server process of which a listening socket is in sight.
    void add_local() {
        bool hidden = false;
        for (const probes::ServerProcess& process : processes_) {
            hidden |= process.hidden;
            add_process(process);
        }
        const auto named = session_.request().ports;
        for (const Socket& socket : listeners_) {
            const std::uint16_t port = socket.tuple.local.port;
            // Whose name is hidden may still be a Redis, where one listens by custom.
            if (contains(named, port) || (is_usual(port) && (hidden || unseen(socket))))
                add_listener(socket, usual_kind(port));
        }
    }

    std::optional<std::string> add_target(const Target& target) {
        if (!target.path.empty()) return add_unix(target);
        std::vector<Address> addresses;
        const std::string name =
            target.host.empty() || Address::parse(target.host) ? "" : target.host;
        if (!target.host.empty()) {
            auto resolved = resolve(target.host, session_.request().connect_timeout);
            if (!resolved) return "TARGET '" + target.text + "': " + resolved.error();
            addresses = std::move(*resolved);
        }
        const std::size_t before = session_.sample().servers.size();
        bool listens = false;
        for (const bool at_home : {true, false}) {
            for (const Socket& socket : listeners_) {
                if ((socket.netns == session_.home().id()) != at_home) continue;
                Server* meant = add_if_meant(socket, target, addresses);
                if (meant == nullptr) continue;
                listens = true;
                meant->tls |= target.tls;
                meant->host_name = name;
            }
            // A host's own address, and loopback above all, means the namespace we are in.
            if (listens && !addresses.empty()) break;
        }
        if (listens) return std::nullopt;
        Server server;
        server.kind = target.kind;
        const Address fallback = *Address::parse("127.0.0.1");
        server.endpoint = {addresses.empty() ? fallback : addresses.front(), target.port};
        server.netns = only_owner(server.endpoint.address);
        server.tls = target.tls;
        server.host_name = name;
        if (session_.sample().servers.size() == before) add(std::move(server));
        return std::nullopt;
    }

    void complete_unix_servers() {
        for (Server& server : session_.sample().servers) {
            if (server.path.empty() || !server.pid) continue;
            const auto process =
                std::ranges::find(processes_, *server.pid, &probes::ServerProcess::pid);
            if (process != processes_.end() && server.listening.empty())
                listen_as(*process, server);
        }
    }

  private:
    // No process that may be read holds it; asked only about few sockets, so a plain search is
    // enough.
    [[nodiscard]] bool unseen(const Socket& socket) const {
        return socket.uid != ::geteuid() && ::geteuid() != 0;
    }

    [[nodiscard]] std::optional<NetnsId> only_owner(const Address& address) const {
        if (address.is_loopback()) return session_.home().id();
        std::optional<NetnsId> owner;
        for (const Namespace& place : session_.sample().namespaces) {
            if (std::ranges::find(place.addresses, address, &InterfaceAddress::address) ==
                place.addresses.end())
                continue;
            if (owner) return std::nullopt;
            owner = place.id;
        }
        return owner;
    }

    void add(Server server) {
        auto& servers = session_.sample().servers;
        const bool known = std::ranges::any_of(servers, [&](const Server& other) {
            return other.netns == server.netns && other.endpoint == server.endpoint &&
                   other.path == server.path && other.pid == server.pid;
        });
        if (!known) servers.push_back(std::move(server));
    }

    // Gives the server the listening sockets of the process.
    void listen_as(const probes::ServerProcess& process, Server& server) {
        for (const Socket& socket : listeners_) {
            const bool held =
                std::ranges::find(process.listeners, socket.inode) != process.listeners.end();
            const bool titled = process.hidden && process.title_port == socket.tuple.local.port &&
                                (process.netns == 0 || process.netns == socket.netns);
            if (!held && !titled) continue;
            server.netns = socket.netns;
            server.listening.push_back(socket.tuple.local);
        }
        part_links(server);
        if (!server.listening.empty()) server.endpoint = best_name(server.listening);
    }

    // One process is one server, on however many ports (plain and TLS) and addresses it listens.
    Server* add_process(const probes::ServerProcess& process) {
        Server server;
        server.kind = process.kind;
        server.pid = process.pid;
        listen_as(process, server);
        unix_.listen_as(process, server);
        if (server.listening.empty() && server.unix_listening.empty()) return nullptr;
        auto& servers = session_.sample().servers;
        const auto known = std::ranges::find(servers, server.pid, &Server::pid);
        if (known != servers.end()) return &*known;
        servers.push_back(std::move(server));
        return &servers.back();
    }

    // The server process that holds the socket. Another process can listen on another address of
    // its port.
    [[nodiscard]] const probes::ServerProcess* process_of(const Socket& socket) const {
        const auto holds = [&](const probes::ServerProcess& process) {
            return std::ranges::find(process.listeners, socket.inode) != process.listeners.end();
        };
        const auto found = std::ranges::find_if(processes_, holds);
        return found == processes_.end() ? nullptr : &*found;
    }

    // A listening socket of which only the port is known. All of its addresses are one server.
    Server* add_listener(const Socket& socket, ServerKind kind) {
        auto& servers = session_.sample().servers;
        for (Server& server : servers) {
            if (server.netns == socket.netns && listens_on(server, socket.tuple.local))
                return &server;
        }
        Server server;
        server.kind = kind;
        server.netns = socket.netns;
        for (const Socket& other : listeners_) {
            if (other.netns == socket.netns && other.tuple.local.port == socket.tuple.local.port &&
                other.uid == socket.uid && process_of(other) == process_of(socket))
                server.listening.push_back(other.tuple.local);
        }
        server.endpoint = best_name(server.listening);
        servers.push_back(std::move(server));
        return &servers.back();
    }

    // The server whose listening socket this is, where the TARGET means it.
    Server* add_if_meant(const Socket& socket, const Target& target,
                         const std::vector<Address>& addresses) {
        const Endpoint& local = socket.tuple.local;
        if (local.port != target.port) return nullptr;
        const Address* meant = nullptr;
        for (const Address& address : addresses) {
            if (reaches(socket, address)) meant = &address;
        }
        if (!addresses.empty() && meant == nullptr) return nullptr;

        Server* server = nullptr;
        if (can_be_asked(target.kind))
            if (const auto* process = process_of(socket)) server = add_process(*process);
        if (server == nullptr) server = add_listener(socket, target.kind);
        keep_port(target.port, *server);
        if (meant != nullptr) server->endpoint = {*meant, target.port};
        if (server->endpoint.port != target.port) server->endpoint = local;
        return server;
    }

    [[nodiscard]] bool reaches(const Socket& socket, const Address& address) const {
        const Address& bound = socket.tuple.local.address;
        if (bound == address) return !address.is_loopback() || socket.netns == session_.home().id();
        if (!bound.is_unspecified()) return false;
        if (bound.family() == Family::ipv4 && address.family() != Family::ipv4) return false;
        if (address.is_loopback()) return socket.netns == session_.home().id();
        const Namespace* place = session_.network(socket.netns);
        return place != nullptr &&
               std::ranges::find(place->addresses, address, &InterfaceAddress::address) !=
                   place->addresses.end();
    }

    // Reached by path; which process it is, the connection to it tells.
    std::optional<std::string> add_unix(const Target& target) {
        for (Server& server : unix_.servers_at(target.path, processes_)) add(std::move(server));
        return std::nullopt;
    }

    Session& session_;
    UnixDiscovery unix_;
    std::vector<Socket> listeners_;
    std::vector<probes::ServerProcess> processes_;
};

}  // namespace

std::optional<std::string> discover_servers(Session& session) {
    Discovery discovery(session);
    session.sample().unix_side.earlier = discovery.by_unix().accepted();
    if (session.request().targets.empty()) {
        discovery.add_local();
        return std::nullopt;
    }
    for (const Target& target : session.request().targets) {
        if (auto wrong = discovery.add_target(target)) return wrong;
    }
    return std::nullopt;
}

void find_listeners_of_unix_servers(Session& session) {
    if (session.sample().servers.empty()) return;
    if (std::ranges::all_of(session.sample().servers, &std::string::empty, &Server::path)) return;
    Discovery(session).complete_unix_servers();
}

std::vector<std::uint16_t> ports_of_interest(const Session& session) {
    std::set<std::uint16_t> ports;
    const Request& request = session.request();
    if (request.targets.empty()) {
        for (const std::uint16_t port : default_ports(request)) ports.insert(port);
    }
    for (const Server& server : session.sample().servers) {
        if (server.endpoint.port != 0) ports.insert(server.endpoint.port);
        for (const Endpoint& end : server.listening) ports.insert(end.port);
        for (const Endpoint& end : server.bus) ports.insert(end.port);
    }
    return {ports.begin(), ports.end()};
}

void discover_remote_servers(Session& session) {
    if (!session.request().targets.empty()) return;
    Sample& sample = session.sample();
    const auto ports = default_ports(session.request());
    const std::size_t local = sample.servers.size();
    std::map<std::pair<Endpoint, NetnsId>, Server> remote;
    Tracker tracker(session);
    for (const Socket& socket : sample.sockets) {
        const Endpoint& end = socket.tuple.remote;
        if (!contains(ports, end.port)) continue;
        if (socket.state != State::established && socket.state != State::close_wait &&
            socket.state != State::syn_sent)
            continue;
        std::vector<NetnsId> owners;
        const Namespace* here = session.network(socket.netns);
        const auto owns = [&](const Namespace& place) {
            return std::ranges::find(place.addresses, end.address, &InterfaceAddress::address) !=
                   place.addresses.end();
        };
        if (end.address.is_loopback() || (here != nullptr && owns(*here))) {
            owners.push_back(socket.netns);
        } else {
            for (const Namespace& place : sample.namespaces)
                if (owns(place)) owners.push_back(place.id);
        }
        const bool known = std::ranges::any_of(
            sample.servers.begin(), sample.servers.begin() + static_cast<std::ptrdiff_t>(local),
            [&](const Server& server) {
                return (server.netns && std::ranges::find(owners, *server.netns) != owners.end() &&
                        listens_on(server, end)) ||
                       (server.netns == socket.netns && listens_on(server, socket.tuple.local));
            });
        if (known || tracker.reaches_known_server(socket)) continue;
        Server server;
        server.endpoint = end;
        server.kind = usual_kind(end.port);
        if (owners.size() == 1) server.netns = owners.front();
        // One loopback address is another host in every namespace, others are the same server from
        // all.
        remote.try_emplace({end, end.address.is_loopback() ? socket.netns : 0}, std::move(server));
    }
    for (auto& [key, server] : remote) sample.servers.push_back(std::move(server));
}

}  // namespace connleak::collect

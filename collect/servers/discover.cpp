#include "collect/servers/discover.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "collect/servers/cluster_bus.h"
#include "collect/servers/discover_unix.h"
#include "collect/servers/resolve.h"
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

// The name of a server by its listening sockets: an address that others can reach, preferably with
// the usual port.
Endpoint best_name(const std::vector<Endpoint>& listening) {
    const auto rank = [](const Endpoint& end) {
        return std::tuple(!is_usual(end.port), end.port, end.address.is_loopback(),
                          end.address.family() != Family::ipv4, end.address);
    };
    return *std::ranges::min_element(listening, {}, rank);
}

// Adds the process's listening sockets to the server.
void listen_by_tcp(const Listeners& listeners, const probes::ServerProcess& process,
                   Server& server) {
    for (const Socket& socket : listeners.tcp) {
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

class Discovery {
  public:
    Discovery(const Request& request, const Namespaces& namespaces,
              const std::vector<Namespace>& networks, const Listeners& listeners)
        : request_(request),
          home_(namespaces.home().id()),
          networks_(networks),
          listeners_(listeners) {}

    std::vector<Server> take() { return std::move(servers_); }

    // Adds every server process with a listening socket in sight.
    void add_local() {
        bool hidden = false;
        for (const probes::ServerProcess& process : listeners_.processes) {
            hidden |= process.hidden;
            add_process(process);
        }
        for (const Socket& socket : listeners_.tcp) {
            const std::uint16_t port = socket.tuple.local.port;
            // A process with a hidden name may still be a Redis if it listens on a usual port.
            if (contains(request_.ports, port) || (is_usual(port) && (hidden || unseen(socket))))
                add_listener(socket, usual_kind(port));
        }
    }

    std::optional<std::string> add_target(const Target& target) {
        if (!target.path.empty()) {
            for (Server& server : servers_at(target.path, listeners_, home_))
                add(std::move(server));
            return std::nullopt;
        }
        std::vector<Address> addresses;
        const std::string name =
            target.host.empty() || Address::parse(target.host) ? "" : target.host;
        if (!target.host.empty()) {
            auto resolved = resolve(target.host, request_.connect_timeout);
            if (!resolved) return "TARGET '" + target.text + "': " + resolved.error();
            addresses = std::move(*resolved);
        }
        const std::size_t before = servers_.size();
        bool listens = false;
        for (const bool at_home : {true, false}) {
            for (const Socket& socket : listeners_.tcp) {
                if ((socket.netns == home_) != at_home) continue;
                Server* meant = add_if_meant(socket, target, addresses);
                if (meant == nullptr) continue;
                listens = true;
                meant->tls |= target.tls;
                meant->host_name = name;
            }
            // A host's own address, and especially loopback, refers to our own namespace.
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
        if (servers_.size() == before) add(std::move(server));
        return std::nullopt;
    }

  private:
    // True if no readable process holds it. Called for few sockets, so a linear search is enough.
    [[nodiscard]] bool unseen(const Socket& socket) const {
        return socket.uid != ::geteuid() && ::geteuid() != 0;
    }

    [[nodiscard]] std::optional<NetnsId> only_owner(const Address& address) const {
        if (address.is_loopback()) return home_;
        std::optional<NetnsId> owner;
        for (const Namespace& place : networks_) {
            if (std::ranges::find(place.addresses, address, &InterfaceAddress::address) ==
                place.addresses.end())
                continue;
            if (owner) return std::nullopt;
            owner = place.id;
        }
        return owner;
    }

    void add(Server server) {
        const bool known = std::ranges::any_of(servers_, [&](const Server& other) {
            return other.netns == server.netns && other.endpoint == server.endpoint &&
                   other.path == server.path && other.pid == server.pid;
        });
        if (!known) servers_.push_back(std::move(server));
    }

    // One process is one server, however many ports (plain and TLS) and addresses it listens on.
    Server* add_process(const probes::ServerProcess& process) {
        Server server;
        server.kind = process.kind;
        server.pid = process.pid;
        listen_by_tcp(listeners_, process, server);
        listen_by_unix(listeners_, process, server);
        if (server.listening.empty() && server.unix_listening.empty()) return nullptr;
        const auto known = std::ranges::find(servers_, server.pid, &Server::pid);
        if (known != servers_.end()) return &*known;
        servers_.push_back(std::move(server));
        return &servers_.back();
    }

    // The server process that holds the socket. Another process can listen on the same port of
    // another address.
    [[nodiscard]] const probes::ServerProcess* process_of(const Socket& socket) const {
        const auto holds = [&](const probes::ServerProcess& process) {
            return std::ranges::find(process.listeners, socket.inode) != process.listeners.end();
        };
        const auto found = std::ranges::find_if(listeners_.processes, holds);
        return found == listeners_.processes.end() ? nullptr : &*found;
    }

    // For a listening socket of which only the port is known. All its addresses are one server.
    Server* add_listener(const Socket& socket, ServerKind kind) {
        for (Server& server : servers_) {
            if (server.netns == socket.netns && listens_on(server, socket.tuple.local))
                return &server;
        }
        Server server;
        server.kind = kind;
        server.netns = socket.netns;
        for (const Socket& other : listeners_.tcp) {
            if (other.netns == socket.netns && other.tuple.local.port == socket.tuple.local.port &&
                other.uid == socket.uid && process_of(other) == process_of(socket))
                server.listening.push_back(other.tuple.local);
        }
        server.endpoint = best_name(server.listening);
        servers_.push_back(std::move(server));
        return &servers_.back();
    }

    // The server with this listening socket, if the TARGET means it.
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
        if (bound == address) return !address.is_loopback() || socket.netns == home_;
        if (!bound.is_unspecified()) return false;
        if (bound.family() == Family::ipv4 && address.family() != Family::ipv4) return false;
        if (address.is_loopback()) return socket.netns == home_;
        const Namespace* place = find_network(networks_, socket.netns);
        return place != nullptr &&
               std::ranges::find(place->addresses, address, &InterfaceAddress::address) !=
                   place->addresses.end();
    }

    const Request& request_;
    NetnsId home_;
    const std::vector<Namespace>& networks_;
    const Listeners& listeners_;
    std::vector<Server> servers_;
};

}  // namespace

std::expected<std::vector<Server>, std::string> find_servers(const Request& request,
                                                             const Namespaces& namespaces,
                                                             const std::vector<Namespace>& networks,
                                                             const Listeners& listeners) {
    Discovery discovery(request, namespaces, networks, listeners);
    if (request.targets.empty()) discovery.add_local();
    for (const Target& target : request.targets)
        if (auto wrong = discovery.add_target(target)) return std::unexpected(*wrong);
    return discovery.take();
}

std::vector<Server> with_listeners_of_unix_servers(std::vector<Server> servers,
                                                   const Listeners& listeners) {
    for (Server& server : servers) {
        if (server.path.empty() || !server.pid || !server.listening.empty()) continue;
        const auto process =
            std::ranges::find(listeners.processes, *server.pid, &probes::ServerProcess::pid);
        if (process != listeners.processes.end()) listen_by_tcp(listeners, *process, server);
    }
    return servers;
}

std::vector<std::uint16_t> ports_of_interest(const Request& request,
                                             const std::vector<Server>& servers) {
    std::set<std::uint16_t> ports;
    if (request.targets.empty()) {
        for (const std::uint16_t port : default_ports(request)) ports.insert(port);
    }
    for (const Server& server : servers) {
        if (server.endpoint.port != 0) ports.insert(server.endpoint.port);
        for (const Endpoint& end : server.listening) ports.insert(end.port);
        for (const Endpoint& end : server.bus) ports.insert(end.port);
    }
    return {ports.begin(), ports.end()};
}

std::vector<Server> find_remote_servers(const Request& request, Namespaces& namespaces,
                                        const Sample& sample) {
    if (!request.targets.empty()) return {};
    const auto ports = default_ports(request);
    std::map<std::pair<Endpoint, NetnsId>, Server> remote;
    Tracker tracker(namespaces, sample);
    for (const Socket& socket : sample.sockets) {
        const Endpoint& end = socket.tuple.remote;
        if (!contains(ports, end.port)) continue;
        if (socket.state != State::established && socket.state != State::close_wait &&
            socket.state != State::syn_sent)
            continue;
        std::vector<NetnsId> owners;
        const Namespace* here = find_network(sample.namespaces, socket.netns);
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
        const bool known = std::ranges::any_of(sample.servers, [&](const Server& server) {
            return (server.netns && std::ranges::find(owners, *server.netns) != owners.end() &&
                    listens_on(server, end)) ||
                   (server.netns == socket.netns && listens_on(server, socket.tuple.local));
        });
        if (known || tracker.reaches_any(sample.servers, socket)) continue;
        Server server;
        server.endpoint = end;
        server.kind = usual_kind(end.port);
        if (owners.size() == 1) server.netns = owners.front();
        // A loopback address means another server in every namespace; other addresses mean the same
        // server from all.
        remote.try_emplace({end, end.address.is_loopback() ? socket.netns : 0}, std::move(server));
    }
    std::vector<Server> servers;
    servers.reserve(remote.size());
    for (auto& [key, server] : remote) servers.push_back(std::move(server));
    return servers;
}

}  // namespace connleak::collect

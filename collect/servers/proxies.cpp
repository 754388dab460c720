#include "collect/servers/proxies.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "collect/servers/discover.h"
#include "diagnosis/connections/join.h"
#include "diagnosis/holders/holders.h"
#include "diagnosis/holders/recognise_proxy.h"
#include "diagnosis/model/server_family.h"
#include "probes/proc/process_sockets.h"
#include "probes/proc/processes.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

namespace {

using Clock = std::chrono::steady_clock;

// Above these limits it is probably not a proxy, or reading costs too much.
constexpr std::size_t most_ports = 256;
constexpr std::size_t most_parents = 64;
constexpr std::size_t most_looked_up = 4096;

std::int64_t ms_since(Clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
}

class Search {
  public:
    Search(const Request& request, Namespaces& namespaces, const Sample& sample,
           const std::vector<Socket>& listeners, Proxies& into)
        : request_(request), namespaces_(namespaces), sample_(sample), into_(into) {
        for (const Socket& socket : listeners) listeners_.emplace(socket.inode, &socket);
        listeners_.erase(0);
    }

    void run() {
        find_holders();
        find_listening();
        if (candidates_.empty()) return;
        read_fronts();
        for (auto& [pid, candidate] : candidates_) {
            if (auto proxy = recognise_proxy(candidate)) {
                find_own_sockets(*proxy, candidate);
                into_.proxies.push_back(std::move(*proxy));
            }
        }
        name_clients();
    }

  private:
    [[nodiscard]] bool of_a_server(const Socket& socket) const {
        return std::ranges::any_of(sample_.servers, [&](const Server& server) {
            return server.netns == socket.netns && listens_on(server, socket.tuple.local);
        });
    }

    // Processes with an established connection to a server. Redis servers are excluded: replicas,
    // cluster nodes and Sentinels hold both kinds of connections, but forward nothing.
    void find_holders() {
        const std::vector<std::uint16_t> ports = ports_of_interest(request_, sample_.servers);
        for (const Socket& socket : sample_.sockets) {
            if (socket.inode == 0 || socket.state != State::established) continue;
            if (!std::ranges::binary_search(ports, socket.tuple.remote.port)) continue;
            const auto owners = sample_.processes.owners.find(socket.inode);
            if (owners == sample_.processes.owners.end() || of_a_server(socket)) continue;
            std::optional<std::int32_t> last;  // a process can hold it by several descriptors
            for (const Owner& owner : owners->second) {
                if (owner.pid == last || owner.pid == ::getpid()) continue;
                last = owner.pid;
                const auto process = sample_.processes.by_pid.find(owner.pid);
                if (process == sample_.processes.by_pid.end()) continue;
                const std::string& comm = process->second.comm;
                if (find_program(comm) != nullptr || comm.ends_with("-sentinel")) continue;
                ProxyCandidate& candidate = candidates_[owner.pid];
                candidate.pid = owner.pid;
                candidate.comm = comm;
                candidate.upstream.push_back(socket);
            }
        }
    }

    void listens(ProxyCandidate& candidate, std::uint32_t inode) {
        const auto found = listeners_.find(inode);
        if (found == listeners_.end()) return;
        const ProxyListener place{found->second->netns, found->second->tuple.local};
        if (std::ranges::find(candidate.listening, place) == candidate.listening.end())
            candidate.listening.push_back(place);
    }

    // Where the candidates listen; candidates that do not listen are dropped.
    void find_listening() {
        for (const auto& [inode, socket] : listeners_) {
            const auto owners = sample_.processes.owners.find(inode);
            if (owners == sample_.processes.owners.end()) continue;
            for (const Owner& owner : owners->second)
                if (const auto found = candidates_.find(owner.pid); found != candidates_.end())
                    listens(found->second, inode);
        }
        ask_parents();
        std::erase_if(candidates_, [](const auto& each) { return each.second.listening.empty(); });
        std::set<std::uint16_t> ports;
        for (auto& [pid, candidate] : candidates_) {
            std::ranges::sort(candidate.listening);
            for (const ProxyListener& each : candidate.listening) ports.insert(each.endpoint.port);
        }
        ports_.assign(ports.begin(), ports.end());
        if (ports_.size() > most_ports) candidates_.clear();
    }

    // A relay can fork for each connection: then its parent, running the same program, listens.
    void ask_parents() {
        std::map<std::int32_t, std::vector<ProxyCandidate*>> children;
        for (auto& [pid, candidate] : candidates_) {
            if (!candidate.listening.empty()) continue;
            const std::int32_t parent = sample_.processes.by_pid.at(pid).parent;
            if (parent > 1) children[parent].push_back(&candidate);
        }
        if (children.size() > most_parents) return;
        std::vector<std::int32_t> parents;
        parents.reserve(children.size());
        for (const auto& [pid, theirs] : children) parents.push_back(pid);
        std::unordered_set<std::uint32_t> inodes;
        for (const auto& [inode, socket] : listeners_) inodes.insert(inode);
        for (const probes::ProcessSockets& parent : probes::sockets_of(parents, inodes))
            for (ProxyCandidate* child : children[parent.pid])
                if (child->comm == parent.comm)
                    for (const std::uint32_t inode : parent.sockets) listens(*child, inode);
    }

    // Reads the accepted connections of the candidates, and their connections to the servers again,
    // so that both figures are from the same moment.
    void read_fronts() {
        netlink::SocketQuery query;
        query.states = state_bit(State::established) | state_bit(State::close_wait);
        query.ports = ports_;
        const auto begin = Clock::now();
        auto read = namespaces_.read_sockets(query);
        fronts_ = std::move(read.value);
        std::ranges::move(read.gaps, std::back_inserter(into_.gaps));
        std::size_t looked_up = 0;
        std::vector<std::int32_t> pids;
        for (auto& [pid, candidate] : candidates_) {
            pids.push_back(pid);
            for (Socket& socket : candidate.upstream) {
                netlink::SocketTable* table = namespaces_.sockets_of(socket.netns);
                if (table == nullptr || ++looked_up > most_looked_up) continue;
                const auto now = table->lookup(socket.tuple, {});
                if (now && *now && (*now)->cookie == socket.cookie) socket = **now;
            }
        }
        const std::int64_t slack_ms = ms_since(begin);

        std::unordered_map<std::uint32_t, const Socket*> by_inode;
        std::unordered_set<std::uint32_t> inodes;
        for (const Socket& socket : fronts_) {
            by_inode.emplace(socket.inode, &socket);
            by_tuple_.emplace(socket.tuple, &socket);
            if (socket.inode != 0) inodes.insert(socket.inode);
        }
        // With translation on the way to the proxy, the client's socket has another peer: the
        // server itself.
        for (const Socket& socket : sample_.sockets) by_local_.emplace(socket.tuple.local, &socket);
        for (const probes::ProcessSockets& process : probes::sockets_of(pids, inodes)) {
            ProxyCandidate& candidate = candidates_[process.pid];
            candidate.slack_ms = slack_ms;
            const std::set<std::uint32_t> held(process.sockets.begin(), process.sockets.end());
            for (const std::uint32_t inode : held) {
                const Socket& socket = *by_inode.at(inode);
                const bool here =
                    std::ranges::any_of(candidate.listening, [&](const ProxyListener& each) {
                        return each.netns == socket.netns &&
                               listens_at(each.endpoint, socket.tuple.local);
                    });
                if (!here) continue;
                const Socket* client = client_of(socket);
                const bool itself = client != nullptr && held.contains(client->inode);
                if (!itself && !is_own(socket)) candidate.accepted.push_back(socket);
            }
        }
    }

    // Our own connection to a server can go through the proxy, too.
    [[nodiscard]] bool is_own(const Socket& accepted) const {
        return std::ranges::any_of(sample_.servers, [&](const Server& server) {
            const auto& ours = server.answer.own_connection;
            return ours && ours->local == accepted.tuple.remote &&
                   ours->remote == accepted.tuple.local;
        });
    }

    [[nodiscard]] bool owns(NetnsId netns, const Address& address) const {
        const Namespace* place = find_network(sample_.namespaces, netns);
        return address.is_loopback() ||
               (place != nullptr &&
                std::ranges::find(place->addresses, address, &InterfaceAddress::address) !=
                    place->addresses.end());
    }

    // The client's socket for a connection accepted by a proxy, in the namespace that owns the
    // client's address. nullptr if not in sight or ambiguous.
    [[nodiscard]] const Socket* client_of(const Socket& accepted) const {
        const Endpoint& client = accepted.tuple.remote;
        const bool here = owns(accepted.netns, client.address);
        const auto only = [&](auto range, bool any_peer) -> const Socket* {
            const Socket* found = nullptr;
            for (auto at = range.first; at != range.second; ++at) {
                const Socket* socket = at->second;
                if (here ? socket->netns != accepted.netns : !owns(socket->netns, client.address))
                    continue;
                if (any_peer && socket->state != State::established) continue;
                if (found != nullptr && found->inode != socket->inode) return nullptr;
                found = socket;
            }
            return found;
        };
        if (const Socket* found = only(by_tuple_.equal_range(accepted.tuple.mirrored()), false))
            return found;
        return here ? only(by_local_.equal_range(client), true) : nullptr;
    }

    void find_own_sockets(Proxy& proxy, const ProxyCandidate& candidate) {
        std::unordered_map<std::uint32_t, const Socket*> by_inode;
        for (const Socket& socket : candidate.accepted) by_inode.emplace(socket.inode, &socket);
        for (ProxyClient& client : proxy.clients) {
            const Socket* socket = client_of(*by_inode.at(client.accepted));
            if (socket == nullptr) continue;
            client.netns = socket->netns;
            client.inode = socket->inode;
        }
    }

    // Walks the processes once more, for the owners of the clients' sockets.
    void name_clients() {
        std::unordered_set<std::uint32_t> inodes;
        for (const Proxy& proxy : into_.proxies)
            for (const ProxyClient& client : proxy.clients)
                if (!sample_.processes.owners.contains(client.inode)) inodes.insert(client.inode);
        inodes.erase(0);
        Processes more = probes::read_processes(inodes);
        into_.processes.owners = std::move(more.owners);
        into_.processes.by_pid = std::move(more.by_pid);
        for (FpmPool& pool : more.pools) {
            const bool known =
                std::ranges::any_of(sample_.processes.pools, [&](const FpmPool& other) {
                    return other.name == pool.name && other.master_pid == pool.master_pid;
                });
            if (!known) into_.processes.pools.push_back(std::move(pool));
        }
        for (Gap& gap : more.gaps)
            if (std::ranges::find(sample_.gaps, gap) == sample_.gaps.end())
                into_.gaps.push_back(std::move(gap));
    }

    const Request& request_;
    Namespaces& namespaces_;
    const Sample& sample_;
    Proxies& into_;
    std::unordered_map<std::uint32_t, const Socket*> listeners_;  // by inode
    std::map<std::int32_t, ProxyCandidate> candidates_;           // by pid
    std::vector<std::uint16_t> ports_;
    std::vector<Socket> fronts_;
    std::unordered_multimap<Tuple, const Socket*> by_tuple_;
    std::unordered_multimap<Endpoint, const Socket*> by_local_;
};

// Whether the server is a proxy's own port, by its port or by its clients.
bool is_front(const std::vector<Proxy>& proxies, const Server& server) {
    return std::ranges::any_of(proxies, [&](const Proxy& proxy) {
        if (!proxy.clients_known) return false;  // otherwise they would be missing from the report
        if (server.pid ? *server.pid != proxy.pid : !server.listening.empty()) return false;
        return std::ranges::any_of(proxy.listening, [&](const ProxyListener& each) {
            return server.netns == each.netns && listens_at(each.endpoint, server.endpoint);
        });
    });
}

// Whether the answering server is not the listening process. The reported pid is of its own pid
// namespace.
bool another_answers(const Server& server, const Process& listening) {
    if (!can_be_asked(server.kind) || find_program(listening.comm) != nullptr) return false;
    if (server.answer.process_id) return *server.answer.process_id != listening.namespace_pid;
    return proxy_program(listening.comm) != ProxyProgram::no;
}

// The process that accepted a server's clients, for a server known only from its clients whose port
// belongs to a local process.
std::optional<std::int32_t> accepting_process(const Sample& sample, const Server& server) {
    for (const Socket& socket : sample.sockets) {
        if (socket.netns != server.netns || socket.tuple.local != server.endpoint) continue;
        const auto owners = sample.processes.owners.find(socket.inode);
        if (socket.inode == 0 || owners == sample.processes.owners.end()) continue;
        if (const Process* process = holder_of(sample.processes, owners->second))
            return process->pid;
    }
    return std::nullopt;
}

// For a proxy that the user named, or one in front of a server that is not in the report: another
// process answers. The limits are not the server's, and its clients are not those the server lists.
void name_listeners(const Sample& sample, ServersBehind& into) {
    for (Server& server : into.servers) {
        if (!server.pid && server.listening.empty() && server.netns && !server.answer.asked)
            server.pid = accepting_process(sample, server);
        if (!server.pid) continue;
        const auto process = sample.processes.by_pid.find(*server.pid);
        if (process == sample.processes.by_pid.end() || !another_answers(server, process->second))
            continue;
        server.through = process->second.comm;
        server.fd_limit.reset();
        if (!server.answer.clients_complete && server.answer.clients.empty()) continue;
        server.answer.clients.clear();
        server.answer.clients_complete = false;
        into.gaps.push_back({std::string(family_of(server.kind).gap_source), server.endpoint.text(),
                             "through " + server.through,
                             "the client list is that of the server behind, and left out: name "
                             "that server to see it"});
    }
}

}  // namespace

Proxies find_proxies(const Request& request, Namespaces& namespaces, const Sample& sample,
                     const std::vector<Socket>& listeners) {
    Proxies found;
    Search(request, namespaces, sample, listeners, found).run();
    return found;
}

ServersBehind behind_proxies(const Request& request, const Sample& sample,
                             std::vector<Server> servers) {
    ServersBehind left;
    left.servers = std::move(servers);
    if (request.targets.empty())
        std::erase_if(left.servers, [&](const Server& server) {
            if (!is_front(sample.proxies, server)) return false;
            const ServerAnswer& answer = server.answer;
            if (answer.own_address_seen && answer.own_local_seen)
                left.asked_through.push_back({*answer.own_local_seen, *answer.own_address_seen});
            return true;
        });
    name_listeners(sample, left);
    return left;
}

}  // namespace connleak::collect

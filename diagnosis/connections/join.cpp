#include "diagnosis/connections/join.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "diagnosis/connections/named_rows.h"
#include "diagnosis/connections/unix_join.h"

namespace connleak {

namespace {

// How a listening socket covers a local address: 2 exactly, 1 by a wildcard, 0 not at all. "::"
// also covers IPv4 unless it is IPV6_V6ONLY, which sock_diag does not show without privileges.
int coverage(const Endpoint& listening, const Endpoint& local) {
    if (listening.port != local.port) return 0;
    if (listening.address == local.address) return 2;
    if (!listening.address.is_unspecified()) return 0;
    return listening.address.family() == Family::ipv6 || local.address.family() == Family::ipv4 ? 1
                                                                                                : 0;
}

int coverage(const Server& server, const Endpoint& local) {
    int best = 0;
    for (const Endpoint& listening : server.listening)
        best = std::max(best, coverage(listening, local));
    return best;
}

class Joiner {
  public:
    Joiner(const Sample& sample, PathFinder& paths, std::int32_t own_pid)
        : sample_(sample), paths_(paths), own_pid_(own_pid) {
        for (const Server& server : sample.servers) {
            const ServerAnswer& answer = server.answer;
            if (!answer.own_connection) continue;
            const Tuple& ours = *answer.own_connection;
            own_.emplace(ours, server.asked_from);
            own_.emplace(ours.mirrored(), server.netns);
            // What it is to the server, where addresses are translated on the way.
            if (answer.own_address_seen) {
                const Tuple seen{answer.own_local_seen.value_or(ours.remote),
                                 *answer.own_address_seen};
                own_.emplace(seen, server.netns);
                if (seen.remote != ours.local && answer.own_local_seen) leave_out(seen);
            }
            if (!paths.translators() || !server.asked_from) continue;
            const Path path = paths.follow(*server.asked_from, ours);
            if (path.translated) own_.emplace(path.packets.mirrored(), path.end);
        }
        for (const Tuple& seen : sample.asked_through) leave_out(seen);
    }

    std::vector<Draft> run() {
        sort_sockets();
        for (const auto& [socket, server] : server_side_) pair(*socket, server);
        for (const Client& client : client_side_) {
            if (!used_.contains(client.socket))
                drafts_.push_back(draft(client.server, nullptr, &client));
        }
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) attach_rows(index);
        return std::move(drafts_);
    }

  private:
    // A client's socket.
    struct Client {
        const Socket* socket = nullptr;
        std::size_t server = 0;
        Tuple seen;                                 // the connection as the server's host sees it
        bool translated = false;                    // its own host sees another tuple
        std::optional<NetnsId> end = std::nullopt;  // where its packets arrive, once translated
    };

    // Namespaces of proxies that were asked, and of the servers behind them.
    void leave_out(const Tuple& seen) {
        own_.emplace(seen, std::nullopt);
        own_.emplace(seen.mirrored(), std::nullopt);
        asked_for_us_.insert(seen);
    }

    [[nodiscard]] bool is_own(const Socket& socket) const {
        // The same tuple in another namespace is another connection.
        const auto [first, last] = own_.equal_range(socket.tuple);
        if (std::any_of(first, last, [&](const auto& end) {
                return !end.second || *end.second == socket.netns;
            }))
            return true;
        const auto owners = sample_.processes.owners.find(socket.inode);
        return socket.inode != 0 && owners != sample_.processes.owners.end() &&
               std::ranges::any_of(owners->second,
                                   [&](const Owner& owner) { return owner.pid == own_pid_; });
    }

    [[nodiscard]] bool held_by(const Socket& socket, std::optional<std::int32_t> pid) const {
        const auto owners = sample_.processes.owners.find(socket.inode);
        return pid && socket.inode != 0 && owners != sample_.processes.owners.end() &&
               std::ranges::any_of(owners->second,
                                   [&](const Owner& owner) { return owner.pid == *pid; });
    }

    // The server in `netns` whose listening socket covers `local`. Two can share a port
    // (SO_REUSEPORT, or one per address); the one whose process holds the socket is preferred, then
    // the closer address.
    [[nodiscard]] std::optional<std::size_t> server_at(NetnsId netns, const Endpoint& local,
                                                       const Socket* socket) const {
        std::optional<std::size_t> best;
        int best_score = 0;
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) {
            const Server& server = sample_.servers[index];
            if (server.netns != netns) continue;
            const int covered = coverage(server, local);
            if (covered == 0) continue;
            const int score = covered + (socket != nullptr && held_by(*socket, server.pid) ? 4 : 0);
            if (score > best_score) best_score = score, best = index;
        }
        return best;
    }

    // The server that a client's socket is connected to.
    [[nodiscard]] std::optional<std::size_t> server_of_client(const Socket& socket) {
        const Endpoint& remote = socket.tuple.remote;
        if (paths_.owns(socket.netns, remote.address)) {
            if (const auto here = server_at(socket.netns, remote, nullptr)) return here;
        } else {
            std::vector<std::size_t> candidates;
            for (const NetnsId netns : paths_.owners(remote.address)) {
                if (const auto there = server_at(netns, remote, nullptr))
                    candidates.push_back(*there);
            }
            if (candidates.size() == 1 && paths_.owners(remote.address).size() == 1)
                return candidates.front();
            if (!candidates.empty()) {
                // Several namespaces have the address: use the one that packets from here reach.
                const Path& path = paths_.find(socket.netns, remote.address);
                for (const std::size_t index : candidates)
                    if (path.end && sample_.servers[index].netns == *path.end) return index;
            }
        }
        // Servers without a listening socket in sight: on another host, or ended. Servers with a
        // namespace are tried first for sockets that reach it; a loopback address never leaves its
        // own.
        std::optional<std::size_t> by_name;
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) {
            const Server& server = sample_.servers[index];
            if (!server.listening.empty() || server.endpoint != remote) continue;
            const bool inside = server.netns && *server.netns == socket.netns;
            if (inside) return index;
            if (remote.address.is_loopback() && server.netns) continue;
            if (!by_name) by_name = index;
        }
        return by_name;
    }

    // The same through translators, using connection tracking entries for its packets.
    std::optional<Client> through_translators(const Socket& socket) {
        const Path path = paths_.follow(socket.netns, socket.tuple);
        if (!path.translated) return std::nullopt;
        Client client{&socket, 0, path.packets.mirrored(), true, path.end};
        if (path.end) {
            const auto server = server_at(*path.end, path.packets.remote, nullptr);
            if (!server) return std::nullopt;
            client.server = *server;
            return client;
        }
        // Out of sight: identified by its location, else by the address that the client uses.
        for (const Endpoint& name : {path.packets.remote, socket.tuple.remote}) {
            const auto server = std::ranges::find_if(sample_.servers, [&](const Server& each) {
                return each.listening.empty() && each.endpoint == name;
            });
            if (server == sample_.servers.end()) continue;
            client.server = static_cast<std::size_t>(server - sample_.servers.begin());
            return client;
        }
        return std::nullopt;
    }

    std::optional<Client> client_of(const Socket& socket) {
        if (paths_.rewritten(socket.tuple))
            if (auto client = through_translators(socket)) return client;
        if (const auto server = server_of_client(socket))
            return Client{.socket = &socket, .server = *server, .seen = socket.tuple.mirrored()};
        // The entry may be newer than the reading of the tables.
        return paths_.translators() && socket.state == State::established
                   ? through_translators(socket)
                   : std::nullopt;
    }

    void sort_sockets() {
        for (const Socket& socket : sample_.sockets) {
            if (is_own(socket)) continue;
            if (const auto server = server_at(socket.netns, socket.tuple.local, &socket)) {
                server_side_.emplace_back(&socket, *server);
            } else if (const auto client = client_of(socket)) {
                client_side_.push_back(*client);
            }
        }
        for (const Client& client : client_side_) by_server_tuple_.emplace(client.seen, &client);
        // A dump can contain the TIME-WAIT of the previous connection beside the new one with the
        // same tuple: the live socket is matched first.
        std::ranges::stable_partition(
            server_side_, [](const auto& each) { return each.first->state == State::established; });
    }

    // The client's socket for a server's socket: the mirrored tuple, in the peer's namespace.
    const Client* peer_of(const Socket& socket) {
        const auto [first, last] = by_server_tuple_.equal_range(socket.tuple);
        std::vector<const Client*> candidates;
        for (auto it = first; it != last; ++it) {
            const Client& client = *it->second;
            if (used_.contains(client.socket)) continue;
            if (client.translated && client.end == socket.netns) return &client;
            if (!client.translated) candidates.push_back(&client);
        }
        const auto place_of = [](const Client* client) { return client->socket->netns; };
        const Address& address = socket.tuple.remote.address;
        if (paths_.owns(socket.netns, address)) {
            const auto here = std::ranges::find(candidates, socket.netns, place_of);
            return here == candidates.end() ? nullptr : *here;
        }
        if (candidates.size() == 1 && paths_.owners(address).size() <= 1) return candidates.front();
        if (candidates.empty()) return nullptr;
        const Path& path = paths_.find(socket.netns, address);
        for (const Client* candidate : candidates)
            if (path.end == place_of(candidate)) return candidate;
        return nullptr;
    }

    [[nodiscard]] Draft draft(std::size_t server, const Socket* server_socket,
                              const Client* client) const {
        Draft result;
        Connection& connection = result.connection;
        connection.server = server;
        connection.server_socket = server_socket;
        const Tuple tuple = server_socket != nullptr ? server_socket->tuple : client->seen;
        if (client != nullptr) {
            connection.client_socket = client->socket;
            result.facts.translated = client->translated;
            if (client->translated) connection.client_tuple = client->socket->tuple;
        }
        connection.server_end = tuple.local;
        connection.client_end = tuple.remote;
        // inet_csk_accept() gives a socket its inode: established without an inode means still in
        // the accept queue.
        result.facts.accept_queue = server_socket != nullptr && server_socket->inode == 0 &&
                                    (server_socket->state == State::established ||
                                     server_socket->state == State::close_wait);
        return result;
    }

    void pair(const Socket& socket, std::size_t server) {
        const Client* peer = peer_of(socket);
        if (peer != nullptr) used_.insert(peer->socket);
        drafts_.push_back(draft(server, &socket, peer));
    }

    void attach_rows(std::size_t index) {
        const Server& server = sample_.servers[index];
        const ServerAnswer& answer = server.answer;
        if (answer.clients.empty() && !answer.clients_complete) return;

        std::unordered_map<Tuple, std::size_t> by_tuple;
        std::unordered_multimap<Endpoint, std::size_t> by_client;
        std::unordered_multimap<std::uint16_t, std::size_t> by_port;
        std::unordered_map<std::int32_t, std::size_t> by_fd;
        for (std::size_t at = 0; at < drafts_.size(); ++at) {
            const Connection& connection = drafts_[at].connection;
            if (connection.server != index) continue;
            by_tuple.emplace(Tuple{connection.server_end, connection.client_end}, at);
            by_client.emplace(connection.client_end, at);
            by_port.emplace(connection.client_end.port, at);
            if (connection.server_socket == nullptr || !server.pid) continue;
            const auto owners = sample_.processes.owners.find(connection.server_socket->inode);
            if (owners == sample_.processes.owners.end()) continue;
            for (const Owner& owner : owners->second)
                if (owner.pid == *server.pid) by_fd.emplace(owner.fd, at);
        }

        std::unordered_multiset<std::uint16_t> told_ports;
        for (const ServerClient& row : answer.clients)
            if (row.address || row.host_port)
                told_ports.insert(row.address ? row.address->port : *row.host_port);

        const auto find = [&](const ServerClient& row) -> std::optional<std::size_t> {
            if (row.address && row.local_address) {
                const auto found = by_tuple.find({*row.local_address, *row.address});
                if (found != by_tuple.end()) return found->second;
            }
            if (row.address) {
                // Without laddr (before 6.2), or if the server's address is translated on the way,
                // the client's endpoint identifies the connection if it is unique.
                if (by_client.count(*row.address) == 1) return by_client.find(*row.address)->second;
                // One client endpoint, two server ports: the descriptor distinguishes them.
                const auto held = row.fd ? by_fd.find(*row.fd) : by_fd.end();
                if (!row.local_address && held != by_fd.end() &&
                    drafts_[held->second].connection.client_end == *row.address)
                    return held->second;
                return std::nullopt;
            }
            const auto held = row.fd ? by_fd.find(*row.fd) : by_fd.end();
            if (!row.host_port)
                return held == by_fd.end() ? std::nullopt : std::optional(held->second);
            // A name instead of an address. The thread may serve another client by now, so the port
            // must match too. A port that is unique identifies the connection; it must be unique in
            // the list as well, because another client's socket may be newer than the reading of
            // the sockets.
            if (held != by_fd.end() &&
                drafts_[held->second].connection.client_end.port == *row.host_port)
                return held->second;
            if (by_port.count(*row.host_port) != 1 || told_ports.count(*row.host_port) != 1)
                return std::nullopt;
            return by_port.find(*row.host_port)->second;
        };
        NamedRows unplaced;

        for (const ServerClient& row : answer.clients) {
            // A master's row is the replica's own connection to it, not a client of this server.
            if (row.opened_by_server || by_unix_socket(row)) continue;
            if (row.address && row.local_address &&
                asked_for_us_.contains({*row.local_address, *row.address}))
                continue;
            if (const auto at = find(row)) {
                drafts_[*at].connection.row = &row;
                drafts_[*at].facts.listed = true;
            } else if (row.address) {
                add_row(index, row);
            } else {
                unplaced.add(row);
            }
        }
        if (!answer.clients_complete) return;
        // A proxy that listens here owns these sockets, and the server behind it lists the proxy's
        // own.
        const bool same_process = untranslated(server);
        for (Draft& each : drafts_) {
            if (each.connection.server != index || each.facts.listed) continue;
            if (unplaced.may_be(each.connection.client_end)) continue;
            if (each.connection.server_socket == nullptr || same_process) each.facts.listed = false;
        }
    }

    void add_row(std::size_t index, const ServerClient& row) {
        Draft result;
        result.connection.server = index;
        result.connection.row = &row;
        result.connection.client_end = *row.address;
        result.connection.server_end = row.local_address.value_or(sample_.servers[index].endpoint);
        result.facts.listed = true;
        drafts_.push_back(std::move(result));
    }

    const Sample& sample_;
    PathFinder& paths_;
    std::int32_t own_pid_;
    std::unordered_multimap<Tuple, std::optional<NetnsId>> own_;  // no namespace: matches in any
    std::unordered_set<Tuple> asked_for_us_;  // the same, as another server's list may show it
    std::vector<std::pair<const Socket*, std::size_t>> server_side_;
    std::vector<Client> client_side_;
    std::unordered_multimap<Tuple, const Client*> by_server_tuple_;
    std::unordered_set<const Socket*> used_;
    std::vector<Draft> drafts_;
};

}  // namespace

bool listens_at(const Endpoint& listening, const Endpoint& local) {
    return coverage(listening, local) > 0;
}

bool listens_on(const Server& server, const Endpoint& local) {
    return coverage(server, local) > 0;
}

bool untranslated(const Server& server) {
    const ServerAnswer& answer = server.answer;
    if (!answer.own_connection || !answer.own_address_seen) return false;
    if (*answer.own_address_seen != answer.own_connection->local) return false;
    return !answer.own_local_seen || *answer.own_local_seen == answer.own_connection->remote;
}

std::vector<Draft> join(const Sample& sample, PathFinder& paths, std::int32_t own_pid) {
    return Joiner(sample, paths, own_pid).run();
}

}  // namespace connleak

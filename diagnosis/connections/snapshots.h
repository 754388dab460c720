// What the snapshots of other hosts tell of a connection's other end. A snapshot is of the past, by
// another clock, of a host that nobody can ask again: a socket that it shows was there, and one
// that it lacks was not, but that speaks of a connection only when nothing was heard from the peer
// since, when the address is that host's alone, and when nothing on the way can have renamed the
// peer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "diagnosis/connections/path.h"
#include "diagnosis/connections/verdict.h"

namespace connleak {

class Snapshots {
  public:
    Snapshots(const Sample& sample, PathFinder& paths, Witness& witness);

    // Whether a snapshot's host has the address and no namespace of this run does.
    [[nodiscard]] bool cover(const Address& address) const;

    struct Answer {
        PeerView view = PeerView::out_of_sight;
        const Socket* socket = nullptr;  // of the peer, into Sample::peer_namespaces
        // The client's own ends, where its host rewrites them.
        std::optional<Tuple> client_tuple = std::nullopt;
    };
    // The peer of a client's connection as its server holds it. `held` must have been read from the
    // kernel right before, and `row` is its row in the server's list or nullptr.
    Answer client_of(const Socket& held, const ServerClient* row);
    // The same where only the row is known: it can be seen, never missed.
    [[nodiscard]] Answer client_of_row(const Tuple& server_tuple, const ServerClient& row);
    // The server's side of a client's connection: it can be seen, never missed. Whether something
    // out of sight renames the client, or several servers stand behind the address, no snapshot of
    // one of them tells.
    [[nodiscard]] Answer server_of(const Socket& held);

  private:
    // How long ago the snapshot was taken, at least.
    [[nodiscard]] std::int64_t age_ms(const PeerHost& host);
    [[nodiscard]] const PeerNamespace* owner(const Address& address) const;
    [[nodiscard]] const Socket* find(const PeerNamespace& place, const Tuple& tuple) const;
    // A client behind the namespace, which translates for it: it can be seen, never missed, as the
    // way to it is not known. `server_tuple` is the connection as its server has it.
    [[nodiscard]] std::optional<Answer> behind(const PeerNamespace& place,
                                               const Tuple& server_tuple, bool silent,
                                               bool younger) const;
    // What a socket that the snapshot has says of a connection.
    [[nodiscard]] static PeerView view_of(const Socket& peer, bool silent, bool younger);
    [[nodiscard]] bool is_younger(const PeerNamespace& place, const ServerClient* row) const;
    [[nodiscard]] bool silent_since(const PeerNamespace& place, const Socket& held);
    // Whether packets from the held socket to its peer end at the snapshot's host, as far as can be
    // known, and unchanged.
    PeerView look_at_way(const PeerNamespace& place, const Socket& held);
    void compare_clocks();

    const Sample& sample_;
    PathFinder& paths_;
    Witness& witness_;
    std::map<Address, std::vector<const PeerNamespace*>> by_address_;
    std::unordered_multimap<Tuple, const Socket*> by_tuple_;
    std::unordered_multimap<Tuple, std::pair<std::size_t, const TrackedConnection*>>
        translated_;  // by what the server has, with the host
    std::unordered_multimap<Endpoint, const Socket*> living_by_local_end_;
    std::vector<std::int64_t> ahead_ms_;  // by host: its clock, by what both sides remember
};

}  // namespace connleak

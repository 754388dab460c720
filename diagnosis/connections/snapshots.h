// What other hosts' snapshots say about the peer of a connection. A snapshot describes the past, by
// another clock, of a host that cannot be asked again. A socket in it existed then, and a socket
// missing from it did not. That says something about a connection only if nothing was heard from
// the peer since, the address belongs to that host alone, and nothing on the way can have rewritten
// the peer's address.
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

    // Whether a snapshot's host has the address and no namespace of this run has it.
    [[nodiscard]] bool cover(const Address& address) const;

    struct Answer {
        PeerView view = PeerView::out_of_sight;
        const Socket* socket = nullptr;  // of the peer, into Sample::peer_namespaces
        // The client's own tuple, if its host rewrites it.
        std::optional<Tuple> client_tuple = std::nullopt;
    };
    // The client's socket of a connection that its server holds. `held` must have been read from
    // the kernel immediately before. `row` is its row in the server's list, or nullptr.
    Answer client_of(const Socket& held, const ServerClient* row);
    // The same when only the row is known: the result can be "present", never "absent".
    [[nodiscard]] Answer client_of_row(const Tuple& server_tuple, const ServerClient& row);
    // The server's socket of a client's connection: the result can be "present", never "absent". A
    // snapshot of one server cannot show whether something out of sight translates the client's
    // address, or whether several servers share the address.
    [[nodiscard]] Answer server_of(const Socket& held);

  private:
    // Lower bound of the snapshot's age.
    [[nodiscard]] std::int64_t age_ms(const PeerHost& host);
    [[nodiscard]] const PeerNamespace* owner(const Address& address) const;
    [[nodiscard]] const Socket* find(const PeerNamespace& place, const Tuple& tuple) const;
    // A client behind the namespace, which translates for it. The result can be "present", never
    // "absent", because the path to it is not known. `server_tuple` is the connection as its server
    // sees it.
    [[nodiscard]] std::optional<Answer> behind(const PeerNamespace& place,
                                               const Tuple& server_tuple, bool silent,
                                               bool younger) const;
    // What a socket found in the snapshot says about a connection.
    [[nodiscard]] static PeerView view_of(const Socket& peer, bool silent, bool younger);
    [[nodiscard]] bool is_younger(const PeerNamespace& place, const ServerClient* row) const;
    [[nodiscard]] bool silent_since(const PeerNamespace& place, const Socket& held);
    // Whether packets from the held socket to its peer end at the snapshot's host unchanged, as far
    // as can be known.
    PeerView look_at_way(const PeerNamespace& place, const Socket& held);
    void compare_clocks();

    const Sample& sample_;
    PathFinder& paths_;
    Witness& witness_;
    std::map<Address, std::vector<const PeerNamespace*>> by_address_;
    std::unordered_multimap<Tuple, const Socket*> by_tuple_;
    std::unordered_multimap<Tuple, std::pair<std::size_t, const TrackedConnection*>>
        translated_;  // key: the tuple that the server sees; value: host index, entry
    std::unordered_multimap<Endpoint, const Socket*> living_by_local_end_;
    std::vector<std::int64_t> ahead_ms_;  // by host: how far its clock is ahead of ours, at least
};

}  // namespace connleak

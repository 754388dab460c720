// Looks again at every connection that is about to be called one-sided. A dump misses sockets under
// churn, connections come and go between two readings, addresses are translated on the way: only
// what is still one-sided after all of that may be called ghost or orphan.
#pragma once

#include <deque>
#include <vector>

#include "diagnosis/connections/join.h"
#include "diagnosis/connections/snapshots.h"
#include "diagnosis/connections/witness.h"

namespace connleak {

class Recheck {
  public:
    // Sockets that only this look finds are kept in `found`.
    Recheck(const Sample& sample, PathFinder& paths, Witness& witness, std::deque<Socket>& found);

    // Settles peer, listing and accept queue of every draft; removes those that are gone by now.
    void run(std::vector<Draft>& drafts);

  private:
    enum class Fate : std::uint8_t { keep, drop, unconfirmed };
    enum class End : std::uint8_t { server, client };

    [[nodiscard]] bool needed(const Draft& draft) const;
    Fate look_at_server_side(Draft& draft);
    Fate look_at_client_side(Draft& draft);
    Fate look_at_row(Draft& draft);

    // Reads `held` again. Fate::drop when it is gone or another connection, unconfirmed when that
    // cannot be known; else `held` points to what it is now.
    Fate look_at_own(Draft& draft, const Socket*& held);
    // Whether `socket`'s peer is in the namespace that packets to it end in; sets `peer_socket`
    // when it is, and what connection tracking tells of the client's own addresses.
    PeerView look_at_peer(Draft& draft, const Socket& socket, End peer, const Socket*& peer_socket);
    // Whether a socket of `netns` with this local end may be the other end of `server_tuple` after
    // all, translated out of sight. std::nullopt: not known.
    std::optional<bool> may_be_translated(NetnsId netns, const Endpoint& local,
                                          const Tuple& server_tuple);
    void look_at_listing(Draft& draft);
    // Whether the server's client list proves that it lacks the client's socket.
    [[nodiscard]] bool listing_proves_absence(const Draft& draft);
    // Whether the client's packets leave sight as our own to the server did, and nothing else can
    // happen to them before.
    [[nodiscard]] bool leaves_as_ours(const Server& server, const Draft& draft);
    // Whoever is out of sight may be in a snapshot. The draft's own socket has just been read
    // again.
    void look_at_snapshots(Draft& draft);
    static void take(Draft& draft, const Snapshots::Answer& answer);

    const Sample& sample_;
    PathFinder& paths_;
    Witness& witness_;
    std::deque<Socket>& found_;
    Snapshots snapshots_;
};

}  // namespace connleak

// Rechecks every connection that would be called one-sided. Under churn a dump misses sockets,
// connections come and go between two readings, and addresses may be translated on the way. Only a
// connection that is still one-sided after the recheck may be called ghost or orphan.
#pragma once

#include <deque>
#include <vector>

#include "diagnosis/connections/join.h"
#include "diagnosis/connections/snapshots.h"
#include "diagnosis/connections/witness.h"

namespace connleak {

class Recheck {
  public:
    // Sockets that only the recheck finds are stored in `found`.
    Recheck(const Sample& sample, PathFinder& paths, Witness& witness, std::deque<Socket>& found);

    // Settles peer, listing and accept queue of every draft; removes drafts whose connection has
    // ended.
    void run(std::vector<Draft>& drafts);

  private:
    enum class Fate : std::uint8_t { keep, drop, unconfirmed };
    enum class End : std::uint8_t { server, client };

    [[nodiscard]] bool needed(const Draft& draft) const;
    Fate look_at_server_side(Draft& draft);
    Fate look_at_client_side(Draft& draft);
    Fate look_at_row(Draft& draft);

    // Reads `held` again. drop: it is gone or is another connection. unconfirmed: that cannot be
    // determined. keep: `held` points to its current state.
    Fate look_at_own(Draft& draft, const Socket*& held);
    // Whether `socket`'s peer is in the namespace where packets to it end. If so, sets
    // `peer_socket`, and the client's own addresses if connection tracking has them.
    PeerView look_at_peer(Draft& draft, const Socket& socket, End peer, const Socket*& peer_socket);
    // Whether a socket of `netns` with this local end may still be the peer of `server_tuple`,
    // through a translation out of sight. std::nullopt: not known.
    std::optional<bool> may_be_translated(NetnsId netns, const Endpoint& local,
                                          const Tuple& server_tuple);
    void look_at_listing(Draft& draft);
    // Whether the server's client list proves that the client's socket is missing from it.
    [[nodiscard]] bool listing_proves_absence(const Draft& draft);
    // Whether the client's packets leave sight the same way as our own to the server, and nothing
    // else can happen to them before that.
    [[nodiscard]] bool leaves_as_ours(const Server& server, const Draft& draft);
    // Looks in the snapshots for a peer that is not in sight. The draft's own socket must have just
    // been read again.
    void look_at_snapshots(Draft& draft);
    static void take(Draft& draft, const Snapshots::Answer& answer);

    const Sample& sample_;
    PathFinder& paths_;
    Witness& witness_;
    std::deque<Socket>& found_;
    Snapshots snapshots_;
};

}  // namespace connleak

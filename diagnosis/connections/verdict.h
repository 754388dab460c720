// The table of verdicts (connleak(1)) as one pure function of what is known about a connection.
#pragma once

#include "diagnosis/model/report.h"

namespace connleak {

// What the socket table of the other end's host says.
enum class PeerView : std::uint8_t {
    out_of_sight,
    present,           // it has the socket, established
    closing,           // it has the socket, in a closing state
    absent,            // it has no such socket, checked twice, and nothing on the way translates
    maybe_translated,  // it has no such socket, but addresses may be rewritten on the way
    outdated,          // the snapshot may be older than the connection
};

struct Facts {
    PeerView peer = PeerView::out_of_sight;
    bool accept_queue = false;  // established, but no process has accepted it
    // In the server's complete client list; absent: there is none.
    std::optional<bool> listed = std::nullopt;
    bool known_by_listing = false;  // `peer` is from the server's list, not its kernel
    bool translated = false;        // connection tracking on the way has an entry that rewrites it
};

// Fills verdict, evidence, keepalive, last_heard_ms and kernel_gives_up_in_s of `connection`, whose
// sockets and row must be set. `keepalive_s` is the server's tcp-keepalive, in seconds, for the
// sockets that it accepted.
void judge(Connection& connection, const Facts& facts, const Policy& policy,
           std::optional<std::uint64_t> keepalive_s);

// False for nullptr.
bool established(const Socket* socket);

// SO_KEEPALIVE as far as the kernel's one timer shows it; unknown in any state but established and
// close-wait.
Keepalive keepalive_of(const Socket& socket);

// Milliseconds since the peer's last segment (data or ACK); std::nullopt without tcp_info.
std::optional<std::int64_t> last_heard_ms(const Socket& socket);
// The same, only in states that have a peer: for a listener the fields are 0, and during a
// handshake they count from the host's boot.
std::optional<std::int64_t> peer_heard_ms(const Socket& socket);
// A lower bound of the socket's age: the oldest event that the kernel still remembers, as it
// reports no age. Only in the states of peer_heard_ms().
std::optional<std::int64_t> least_age_ms(const Socket& socket);

}  // namespace connleak

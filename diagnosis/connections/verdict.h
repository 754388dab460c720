// The contract's table of verdicts, as one pure function of what is known of a connection.
#pragma once

#include "diagnosis/model/report.h"

namespace connleak {

// What the socket table of the other end's host says.
enum class PeerView : std::uint8_t {
    out_of_sight,
    present,           // it has the socket, established
    closing,           // it has the socket, in a closing state
    absent,            // it has no such socket, looked at twice, and nothing on the way translates
    maybe_translated,  // it has no such socket, but addresses may be rewritten on the way
    outdated,          // its snapshot may be older than the connection
};

struct Facts {
    PeerView peer = PeerView::out_of_sight;
    bool accept_queue = false;  // established, but no process has accepted it
    // In the server's complete client list; absent: there is none.
    std::optional<bool> listed = std::nullopt;
    bool known_by_listing = false;  // `peer` comes from the server's list, not from its kernel
    bool translated = false;        // connection tracking on the way has it under other addresses
};

// Fills verdict, evidence, keepalive, last_heard_ms and kernel_gives_up_in_s of `connection`, whose
// sockets and row are set. `keepalive_s` is the server's tcp-keepalive, for the sockets that it
// accepted.
void judge(Connection& connection, const Facts& facts, const Policy& policy,
           std::optional<std::uint64_t> keepalive_s);

// False of none.
bool established(const Socket* socket);

// What the kernel's one timer tells of SO_KEEPALIVE; unknown in any state but established and
// close-wait.
Keepalive keepalive_of(const Socket& socket);

// Milliseconds since the peer's last segment (data or ACK); std::nullopt without tcp_info.
std::optional<std::int64_t> last_heard_ms(const Socket& socket);
// The same, in the states in which there is a peer: a listener's figures are 0, and those of a
// handshake count from the host's start.
std::optional<std::int64_t> peer_heard_ms(const Socket& socket);
// The kernel tells no socket's age: it is at least so old as the oldest thing that it remembers.
// In the states of peer_heard_ms().
std::optional<std::int64_t> least_age_ms(const Socket& socket);

}  // namespace connleak

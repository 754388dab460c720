// Sockets as sock_diag(7) reports them. No behaviour, no I/O, standard library only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak {

// Inode of the network namespace in nsfs, as `readlink /proc/PID/ns/net` shows it.
using NetnsId = std::uint64_t;

// ---------------------------------------------------------------- TCP sockets

// TCP states, RFC 9293 section 3.3.2; the numbers are the kernel's (net/tcp_states.h).
enum class State : std::uint8_t {
    established = 1,
    syn_sent = 2,
    syn_received = 3,  // also TCP_NEW_SYN_RECV (12)
    fin_wait_1 = 4,
    fin_wait_2 = 5,
    time_wait = 6,
    closed = 7,
    close_wait = 8,
    last_ack = 9,
    listen = 10,
    closing = 11,
};

// A set of states has one bit per state.
constexpr std::uint32_t state_bit(State state) {
    return 1U << static_cast<unsigned>(state);
}

// idiag_timer. The kernel reports one timer per socket: retransmit and persist hide keepalive.
enum class TimerKind : std::uint8_t {
    off = 0,
    retransmit = 1,  // also RACK and tail loss probes
    keepalive = 2,   // in FIN-WAIT-2 the timeout of that state
    timewait = 3,
    persist = 4,  // zero-window probes
    delack = 5,
};

struct Timer {
    TimerKind kind = TimerKind::off;
    std::uint32_t expires_ms = 0;
    std::uint32_t retransmits = 0;  // retransmissions, or unanswered keepalive or window probes
    friend bool operator==(const Timer&, const Timer&) = default;
};

// The fields of struct tcp_info (linux/tcp.h) used here. A field that the running kernel does not
// have stays 0.
struct TcpInfo {
    std::uint32_t last_data_sent_ms = 0;
    std::uint32_t last_data_received_ms =
        0;  // counted from the socket's creation before the first data
    std::uint32_t last_ack_received_ms = 0;
    std::uint32_t unacked = 0;  // segments in flight
    std::uint32_t rtt_us = 0;
    std::uint32_t total_retransmits = 0;
    std::uint8_t backoff = 0;
    std::uint8_t probes = 0;  // keepalive or zero-window probes not answered yet
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;  // retransmitted bytes count once
    friend bool operator==(const TcpInfo&, const TcpInfo&) = default;
};

// A socket's memory from SO_MEMINFO (sk_get_meminfo() in net/core/sock.c), in bytes, and its drops.
struct SocketMemory {
    std::uint32_t rmem_alloc = 0;          // received and not yet read, including kernel overhead
    std::uint32_t rcvbuf = 0;              // the limit of rmem_alloc, SO_RCVBUF
    std::uint32_t wmem_alloc = 0;          // being sent, below TCP
    std::uint32_t sndbuf = 0;              // the limit of wmem_queued, SO_SNDBUF
    std::uint32_t fwd_alloc = 0;           // reserved, not in use
    std::uint32_t wmem_queued = 0;         // not sent yet, or sent and not acknowledged
    std::uint32_t optmem = 0;              // options, filters, control messages
    std::optional<std::uint32_t> backlog;  // received while the socket was in use
    std::optional<std::uint32_t> drops;    // packets dropped; absent: an older kernel
    friend bool operator==(const SocketMemory&, const SocketMemory&) = default;
};

struct Socket {
    NetnsId netns = 0;
    Tuple tuple;
    State state = State::closed;
    bool ipv6_socket = false;  // AF_INET6, even where the addresses are v4-mapped
    Timer timer;
    std::uint32_t inode = 0;  // 0: no descriptor yet (accept queue) or no longer (closing states)
    std::uint32_t uid = 0;
    std::uint32_t interface = 0;         // idiag_if: bound device, 0 for none
    std::uint64_t cookie = 0;            // sock_gen_cookie(): unique until the host reboots
    std::uint64_t cgroup_id = 0;         // INET_DIAG_CGROUP_ID, 0 when not reported
    std::uint32_t rx_queue_bytes = 0;    // of a listener: connections waiting for accept()
    std::uint32_t tx_queue_bytes = 0;    // of a listener: limit of the backlog
    std::optional<TcpInfo> info;         // absent for TIME-WAIT and SYN-RECEIVED
    std::optional<SocketMemory> memory;  // the same, and when not requested
    friend bool operator==(const Socket&, const Socket&) = default;
};

// ---------------------------------------------------------------- Unix sockets (unix(7))

enum class UnixType : std::uint8_t { stream, datagram, seqpacket };

struct UnixSocket {
    // The fields shared with TCP sockets: namespace, state, inode, uid, cookie, queues. Addresses,
    // timer and tcp_info are unused.
    Socket socket;
    UnixType type = UnixType::stream;
    // Raw bytes of its address: a path, or a NUL and an abstract name, which can contain anything;
    // "" for none. An accepted socket has its listener's name.
    std::string name;
    // 0 for none: never connected, not accepted yet, or closed by the other end.
    std::uint32_t peer_inode = 0;
    // sk_shutdown: RCV_SHUTDOWN and SEND_SHUTDOWN. The kernel sets both when the other end closes,
    // and leaves the state at established (unix_release_sock()).
    std::uint8_t shutdown = 0;
    // Of a listener: inodes of the connecting sockets that wait for accept() (UNIX_DIAG_ICONS). The
    // kernel reports no peer for them, because their future peer has no descriptor yet.
    std::vector<std::uint32_t> pending;
    friend bool operator==(const UnixSocket&, const UnixSocket&) = default;
};

// Whether the socket is a Unix one: a TCP socket has addresses in every state.
inline bool is_unix(const Socket& socket) {
    return socket.tuple.local.address.family() == Family::none;
}

}  // namespace connleak

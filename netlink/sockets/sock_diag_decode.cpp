#include "netlink/sockets/sock_diag_decode.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "netlink/attributes.h"

namespace connleak::netlink {

namespace {

// net/tcp_states.h of the kernel; a request socket on its way to ESTABLISHED. sock_diag reports it
// as SYN-RECV today (inet_req_diag_fill()), BPF and tracepoints under this number.
constexpr std::uint8_t tcp_new_syn_recv = 12;

std::optional<State> decode_state(std::uint8_t state) {
    if (state == tcp_new_syn_recv) return State::syn_received;
    if (state < static_cast<std::uint8_t>(State::established) ||
        state > static_cast<std::uint8_t>(State::closing))
        return std::nullopt;
    return static_cast<State>(state);
}

// An unknown timer kind is reported as off.
TimerKind decode_timer_kind(std::uint8_t timer) {
    return timer <= static_cast<std::uint8_t>(TimerKind::delack) ? static_cast<TimerKind>(timer)
                                                                 : TimerKind::off;
}

std::uint16_t from_network(std::uint16_t value) {
    if constexpr (std::endian::native == std::endian::little)
        return static_cast<std::uint16_t>(value << 8U | value >> 8U);
    return value;
}

Endpoint decode_endpoint(const __be32 (&words)[4], std::size_t address_size, __be16 port) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &words[0], bytes.size());
    return {Address::from_bytes(Bytes(bytes).first(address_size)), from_network(port)};
}

TcpInfo decode_info(Bytes bytes) {
    // The structure grows at its end; load() zero-fills it where this kernel's is shorter.
    const auto info = load<tcp_info>(bytes);
    return {
        .last_data_sent_ms = info.tcpi_last_data_sent,
        .last_data_received_ms = info.tcpi_last_data_recv,
        .last_ack_received_ms = info.tcpi_last_ack_recv,
        .unacked = info.tcpi_unacked,
        .rtt_us = info.tcpi_rtt,
        .total_retransmits = info.tcpi_total_retrans,
        .backoff = info.tcpi_backoff,
        .probes = info.tcpi_probes,
        .bytes_received = info.tcpi_bytes_received,
        .bytes_sent =
            info.tcpi_bytes_sent - std::min(info.tcpi_bytes_sent, info.tcpi_bytes_retrans),
    };
}

}  // namespace

std::optional<SocketMemory> decode_memory(std::span<const std::uint8_t> bytes) {
    const std::size_t told = bytes.size() / sizeof(std::uint32_t);
    if (told <= SK_MEMINFO_OPTMEM) return std::nullopt;
    const auto numbers = load<std::array<std::uint32_t, SK_MEMINFO_VARS>>(bytes);
    const auto since = [&](std::size_t at) {
        return told > at ? std::optional(numbers[at]) : std::nullopt;
    };
    return SocketMemory{
        .rmem_alloc = numbers[SK_MEMINFO_RMEM_ALLOC],
        .rcvbuf = numbers[SK_MEMINFO_RCVBUF],
        .wmem_alloc = numbers[SK_MEMINFO_WMEM_ALLOC],
        .sndbuf = numbers[SK_MEMINFO_SNDBUF],
        .fwd_alloc = numbers[SK_MEMINFO_FWD_ALLOC],
        .wmem_queued = numbers[SK_MEMINFO_WMEM_QUEUED],
        .optmem = numbers[SK_MEMINFO_OPTMEM],
        .backlog = since(SK_MEMINFO_BACKLOG),
        .drops = since(SK_MEMINFO_DROPS),
    };
}

std::optional<Socket> decode_socket(std::span<const std::uint8_t> payload, NetnsId netns) {
    if (payload.size() < sizeof(inet_diag_msg)) return std::nullopt;
    const auto message = load<inet_diag_msg>(payload);
    const auto state = decode_state(message.idiag_state);
    if (!state) return std::nullopt;
    if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) return std::nullopt;

    std::optional<Socket> decoded(std::in_place);  // in place: this runs once per socket
    Socket& socket = *decoded;
    socket.netns = netns;
    socket.ipv6_socket = message.idiag_family == AF_INET6;
    const std::size_t address_size = socket.ipv6_socket ? 16 : 4;
    socket.tuple = {decode_endpoint(message.id.idiag_src, address_size, message.id.idiag_sport),
                    decode_endpoint(message.id.idiag_dst, address_size, message.id.idiag_dport)};
    socket.state = *state;
    socket.timer = {decode_timer_kind(message.idiag_timer), message.idiag_expires,
                    message.idiag_retrans};
    socket.inode = message.idiag_inode;
    socket.uid = message.idiag_uid;
    socket.interface = message.id.idiag_if;
    socket.cookie = std::uint64_t{message.id.idiag_cookie[1]} << 32U | message.id.idiag_cookie[0];
    socket.rx_queue_bytes = message.idiag_rqueue;
    socket.tx_queue_bytes = message.idiag_wqueue;
    for_each_attribute(payload.subspan(sizeof(message)), [&](std::uint16_t type, Bytes value) {
        if (type == INET_DIAG_INFO)
            socket.info = decode_info(value);
        else if (type == INET_DIAG_CGROUP_ID)
            socket.cgroup_id = load<std::uint64_t>(value);
        else if (type == INET_DIAG_SKMEMINFO)
            socket.memory = decode_memory(value);
    });
    return decoded;
}

}  // namespace connleak::netlink

#include "netlink/sockets/unix_diag_decode.h"

#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "netlink/attributes.h"
#include "netlink/sockets/sock_diag_decode.h"

namespace connleak::netlink {

namespace {

std::optional<UnixType> decode_type(std::uint8_t type) {
    switch (type) {
        case SOCK_STREAM:
            return UnixType::stream;
        case SOCK_DGRAM:
            return UnixType::datagram;
        case SOCK_SEQPACKET:
            return UnixType::seqpacket;
        default:
            return std::nullopt;
    }
}

// A path includes its terminating NUL. An abstract name begins with a NUL, and all following bytes
// belong to it.
std::string decode_name(Bytes bytes) {
    if (bytes.empty() || bytes.front() != 0) return load_text(bytes);
    return {bytes.begin(), bytes.end()};
}

// A socket that was closed while waiting has no inode any more.
std::vector<std::uint32_t> decode_pending(Bytes bytes) {
    std::vector<std::uint32_t> inodes;
    for (; bytes.size() >= sizeof(std::uint32_t); bytes = bytes.subspan(sizeof(std::uint32_t)))
        if (const auto inode = load<std::uint32_t>(bytes); inode != 0) inodes.push_back(inode);
    return inodes;
}

}  // namespace

std::optional<UnixSocket> decode_unix_socket(std::span<const std::uint8_t> payload, NetnsId netns) {
    if (payload.size() < sizeof(unix_diag_msg)) return std::nullopt;
    const auto message = load<unix_diag_msg>(payload);
    const auto type = decode_type(message.udiag_type);
    // The states are TCP's, of which Unix sockets use three or four.
    const bool known_state = message.udiag_state >= static_cast<std::uint8_t>(State::established) &&
                             message.udiag_state <= static_cast<std::uint8_t>(State::closing);
    if (message.udiag_family != AF_UNIX || !type || !known_state) return std::nullopt;

    std::optional<UnixSocket> decoded(std::in_place);
    decoded->type = *type;
    Socket& socket = decoded->socket;
    socket.netns = netns;
    socket.state = static_cast<State>(message.udiag_state);
    socket.inode = message.udiag_ino;
    socket.cookie = std::uint64_t{message.udiag_cookie[1]} << 32U | message.udiag_cookie[0];
    for_each_attribute(payload.subspan(sizeof(message)), [&](std::uint16_t attribute, Bytes value) {
        if (attribute == UNIX_DIAG_NAME) {
            decoded->name = decode_name(value);
        } else if (attribute == UNIX_DIAG_PEER) {
            decoded->peer_inode = load<std::uint32_t>(value);
        } else if (attribute == UNIX_DIAG_UID) {
            socket.uid = load<std::uint32_t>(value);
        } else if (attribute == UNIX_DIAG_SHUTDOWN) {
            decoded->shutdown = load<std::uint8_t>(value);
        } else if (attribute == UNIX_DIAG_RQLEN) {
            const auto queues = load<unix_diag_rqlen>(value);
            socket.rx_queue_bytes = queues.udiag_rqueue;
            socket.tx_queue_bytes = queues.udiag_wqueue;
        } else if (attribute == UNIX_DIAG_MEMINFO) {
            socket.memory = decode_memory(value);
        } else if (attribute == UNIX_DIAG_ICONS) {
            decoded->pending = decode_pending(value);
        }
    });
    return decoded;
}

}  // namespace connleak::netlink

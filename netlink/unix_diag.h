// The kernel's Unix sockets through sock_diag(7): names, peers and queues, of every type and state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/records.h"
#include "netlink/netns.h"
#include "netlink/sock_diag.h"

namespace connleak::netlink {

enum class UnixType : std::uint8_t { stream, datagram, seqpacket };

struct UnixSocket {
    // What it has in common with a TCP socket: namespace, state, inode, uid, cookie, queues. It has
    // no addresses, no timer and no tcp_info.
    Socket socket;
    UnixType type = UnixType::stream;
    // Raw bytes of its address: a path, or a NUL and an abstract name, which can hold anything; ""
    // for none.
    std::string name;
    std::uint32_t peer_inode = 0;  // 0 for none; the peer can be in another namespace
    // Of a listener: inodes of the connecting ends that wait for accept() (UNIX_DIAG_ICONS). The
    // kernel tells such an end no peer: the socket that it will get has no descriptor yet.
    std::vector<std::uint32_t> pending;
    friend bool operator==(const UnixSocket&, const UnixSocket&) = default;
};

struct UnixDump {
    std::vector<UnixSocket> sockets;     // each once
    std::optional<Error> error;          // `sockets` is not the whole table
    std::optional<Error> pending_error;  // `pending` is not known of some listener
};

// Every Unix socket of a namespace. Needs no privileges.
UnixDump dump_unix_sockets(const Netns& netns, bool with_memory = false);

}  // namespace connleak::netlink

#include "netlink/sockets/unix_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <cerrno>
#include <unordered_set>

#include "netlink/request.h"
#include "netlink/sockets/unix_diag_decode.h"

namespace connleak::netlink {

namespace {

// Queries one listener: a dump ends silently where a list of waiting connections exceeds its
// buffer. Returns 0 or the errno; EMSGSIZE if the list is longer than the kernel reports (about a
// thousand).
int read_pending(Channel& channel, UnixSocket& listener) {
    unix_diag_req header{};
    header.sdiag_family = AF_UNIX;
    header.udiag_ino = listener.socket.inode;
    header.udiag_cookie[0] = static_cast<__u32>(listener.socket.cookie);
    header.udiag_cookie[1] = static_cast<__u32>(listener.socket.cookie >> 32U);
    header.udiag_show = UDIAG_SHOW_ICONS;
    Request request(SOCK_DIAG_BY_FAMILY, 0);
    request.put_header(header);
    const int failure = channel.ask(request, [&](std::uint16_t, Bytes payload) {
        if (auto told = decode_unix_socket(payload, listener.socket.netns))
            listener.pending = std::move(told->pending);
    });
    const bool gone = failure == ENOENT || failure == ESTALE;
    return gone ? 0 : failure;
}

}  // namespace

UnixDump dump_unix_sockets(const Netns& netns, bool with_memory) {
    UnixDump result;
    auto channel = Channel::open(netns, NETLINK_SOCK_DIAG);
    if (!channel) {
        result.error = std::move(channel.error());
        return result;
    }
    unix_diag_req header{};
    header.sdiag_family = AF_UNIX;
    header.udiag_states = 0xffffffff;
    header.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    if (with_memory) header.udiag_show |= UDIAG_SHOW_MEMINFO;
    Request request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
    request.put_header(header);

    bool understood = true;
    std::unordered_set<std::uint64_t> seen;  // the table can change while it is walked
    int failure = channel->ask(request, [&](std::uint16_t, Bytes payload) {
        auto socket = decode_unix_socket(payload, netns.id());
        if (!socket)
            understood = false;
        else if (seen.insert(socket->socket.cookie).second)
            result.sockets.push_back(std::move(*socket));
    });
    if (failure == 0 && !understood) failure = EBADMSG;
    if (failure != 0) result.error = make_error(failure, "sock_diag dump of Unix sockets");
    for (UnixSocket& each : result.sockets) {
        if (each.socket.state != State::listen || each.socket.rx_queue_bytes == 0) continue;
        const int untold = read_pending(*channel, each);
        if (untold != 0) result.pending_error = make_error(untold, "lookup of a Unix listener");
    }
    return result;
}

}  // namespace connleak::netlink

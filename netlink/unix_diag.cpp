#include "netlink/unix_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <cerrno>
#include <unordered_set>

#include "netlink/request.h"
#include "netlink/unix_diag_decode.h"

namespace connleak::netlink {

UnixDump dump_unix_sockets(const Netns& netns) {
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
    return result;
}

}  // namespace connleak::netlink

#include "netlink/sockets/sock_destroy.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <utility>

#include "netlink/sockets/sock_diag_id.h"

namespace connleak::netlink {

std::expected<SocketDestroyer, Error> SocketDestroyer::open(const Netns& netns) {
    auto channel = Channel::open(netns, NETLINK_SOCK_DIAG);
    if (!channel) return std::unexpected(channel.error());
    return SocketDestroyer(std::move(*channel));
}

int SocketDestroyer::destroy(const Socket& socket) {
    inet_diag_req_v2 header{};
    header.sdiag_family = static_cast<__u8>(family_to_ask(socket.tuple));
    header.sdiag_protocol = IPPROTO_TCP;
    header.idiag_states = 0xffffffff;
    header.id = socket_id(socket.tuple, socket.interface);
    header.id.idiag_cookie[0] = static_cast<__u32>(socket.cookie);
    header.id.idiag_cookie[1] = static_cast<__u32>(socket.cookie >> 32U);
    // Without NLM_F_ACK, success would produce no answer.
    Request request(SOCK_DESTROY, NLM_F_ACK);
    request.put_header(header);
    return channel_.ask(request, [](std::uint16_t, Bytes) {});
}

}  // namespace connleak::netlink

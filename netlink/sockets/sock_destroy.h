// Closes one TCP socket from outside its process, as `ss -K` does (SOCK_DESTROY of sock_diag(7)):
// the owner's next call fails with ECONNABORTED, and a reset goes to the peer.
#pragma once

#include <expected>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/request.h"

namespace connleak::netlink {

class SocketDestroyer {
  public:
    // For sockets of this namespace.
    static std::expected<SocketDestroyer, Error> open(const Netns& netns);

    // Closes exactly this socket: the kernel looks it up by its tuple and compares its cookie
    // (inet_diag_find_one_icsk() in net/ipv4/inet_diag.c). Returns 0, or an errno: ENOENT when
    // there is no such socket any more, or it has another cookie; EPERM without CAP_NET_ADMIN in
    // its network namespace; EOPNOTSUPP when the kernel was built without CONFIG_INET_DIAG_DESTROY.
    [[nodiscard]] int destroy(const Socket& socket);

  private:
    explicit SocketDestroyer(Channel channel) : channel_(std::move(channel)) {}
    Channel channel_;
};

}  // namespace connleak::netlink

// How a request identifies one socket. Internal to netlink/sock_*.
#pragma once

#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "diagnosis/model/address.h"

namespace connleak::netlink {

// With AF_INET the kernel also finds an AF_INET6 socket with v4-mapped addresses: both are in the
// same hash chain (sk_ehashfn() in net/ipv4/inet_hashtables.c).
inline int family_to_ask(const Tuple& tuple) {
    return tuple.local.address.family() == Family::ipv6 ? AF_INET6 : AF_INET;
}

// `interface`: the device that the socket is bound to, 0 for none. Matches any cookie.
inline inet_diag_sockid socket_id(const Tuple& tuple, std::uint32_t interface) {
    inet_diag_sockid id{};
    const auto put = [](const Endpoint& endpoint, __be32(&words)[4], __be16& port) {
        const auto bytes = endpoint.address.bytes();
        if (!bytes.empty()) std::memcpy(&words[0], bytes.data(), bytes.size());
        port = htons(endpoint.port);
    };
    put(tuple.local, id.idiag_src, id.idiag_sport);
    put(tuple.remote, id.idiag_dst, id.idiag_dport);
    id.idiag_if = interface;
    id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return id;
}

}  // namespace connleak::netlink

// The network of one namespace through rtnetlink(7) and nfnetlink: addresses, devices, routes,
// neighbours, and whether anything there rewrites addresses.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/sockets/sock_diag.h"

namespace connleak::netlink {

// Fills addresses, links, translation, bridge_translates, the port range, id, name and own of
// `into`. `all` are the namespaces in sight, among which a veth's other end is identified. What
// cannot be read is a gap (source "netlink") and sets into.complete to false (otherwise true). A
// translation that cannot be checked is a separate gap (source "conntrack").
std::vector<Gap> read_network(const Netns& netns, const std::vector<Netns>& all, Namespace& into);

// Where a packet to an address leaves a namespace (RTM_GETROUTE).
struct Route {
    bool local = false;  // the address is this namespace's own
    bool plain = false;  // one next hop, no encapsulation, no policy rule by mark: the route is
                         // the same for every packet to the address
    std::uint32_t interface = 0;  // ifindex of the outgoing device
    Address gateway;              // family none: the destination is on the link
};

// std::nullopt: no route. Error: the kernel could not be queried.
std::expected<std::optional<Route>, Error> find_route(const Netns& netns,
                                                      const Address& destination);

// The link-layer address that the namespace uses for a neighbour (RTM_GETNEIGH). std::nullopt: no
// entry, or one that is incomplete or failed.
std::expected<std::optional<std::vector<std::uint8_t>>, Error> find_neighbour(
    const Netns& netns, std::uint32_t interface, const Address& address);

}  // namespace connleak::netlink

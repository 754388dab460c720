// The network of one namespace through rtnetlink(7) and nfnetlink: addresses, devices, routes,
// neighbours, and whether anything there rewrites addresses on the way.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/sockets/sock_diag.h"

namespace connleak::netlink {

// Fills addresses, links, translation, bridge_translates and port range of `into` (whose id, name
// and own are set too). `all` are the namespaces in sight: a veth's other end is named by one of
// them. What cannot be read is a gap (source "netlink") and clears into.complete (else set to
// true); that translation cannot be looked at is a gap of its own (source "conntrack").
std::vector<Gap> read_network(const Netns& netns, const std::vector<Netns>& all, Namespace& into);

// Where a packet to an address leaves a namespace (RTM_GETROUTE).
struct Route {
    bool local = false;  // the address is this namespace's own
    bool plain = false;  // one next hop, no encapsulation, no policy rule by mark: the answer
                         // holds for every packet to the address
    std::uint32_t interface = 0;  // ifindex it leaves by
    Address gateway;              // family none: the destination is on the link
};

// std::nullopt: no route. An Error when the kernel could not be asked.
std::expected<std::optional<Route>, Error> find_route(const Netns& netns,
                                                      const Address& destination);

// The link-layer address that the namespace uses for a neighbour (RTM_GETNEIGH); std::nullopt when
// it has no entry, or one that is incomplete or failed.
std::expected<std::optional<std::vector<std::uint8_t>>, Error> find_neighbour(
    const Netns& netns, std::uint32_t interface, const Address& address);

}  // namespace connleak::netlink

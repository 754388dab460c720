// The connection tracking table of a namespace through ctnetlink (nfnetlink_conntrack.h): which TCP
// connections a translator there rewrites, and the tuples that both sides see.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/sockets/sock_diag.h"

namespace connleak::netlink {

// Passes every tracked TCP connection of the namespace, IPv4 and IPv6, to `take`, in table order.
// An entry that moves during the reading can be passed twice or not at all. Where connection
// tracking is not in use, the kernel is not queried, because a query would load its modules. Needs
// CAP_NET_ADMIN (EPERM). Entries read before an Error have been passed on.
std::optional<Error> read_tracked_connections(
    const Netns& netns, const std::function<void(const TrackedConnection&)>& take);

// One netlink socket opened in the namespace, for queries about single connections.
class TrackingTable {
  public:
    static std::expected<TrackingTable, Error> open(const Netns& netns);
    TrackingTable(TrackingTable&&) noexcept;
    TrackingTable& operator=(TrackingTable&&) noexcept;
    ~TrackingTable();

    // The entry for packets with these addresses (`local` is their source), in either direction
    // (nf_conntrack_find_get()). std::nullopt: none outside of zones. Needs CAP_NET_ADMIN.
    [[nodiscard]] std::expected<std::optional<TrackedConnection>, Error> lookup(
        const Tuple& packets);

  private:
    struct Impl;
    explicit TrackingTable(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::netlink

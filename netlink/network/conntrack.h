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

// Hands every TCP connection that is tracked in the namespace to `take`, IPv4 and IPv6, in the
// order of the table; one that moves while it is read can come twice or not at all. Nothing is
// tracked, and nothing is asked, where connection tracking is not in use: a question would load its
// modules. Needs CAP_NET_ADMIN (EPERM). What came before an Error has been handed over.
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

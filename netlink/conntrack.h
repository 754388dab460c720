// The connection-tracking table of a namespace through ctnetlink (nfnetlink_conntrack.h): which TCP
// connections a translator there rewrites, with what each side of them sees.
#pragma once

#include <functional>
#include <optional>

#include "diagnosis/records.h"
#include "netlink/netns.h"
#include "netlink/sock_diag.h"

namespace connleak::netlink {

// Hands every TCP connection that is tracked in the namespace to `take`, IPv4 and IPv6, in the
// order of the table; one that moves while it is read can come twice or not at all. Nothing is
// tracked, and nothing is asked, where connection tracking is not in use: a question would load its
// modules. Needs CAP_NET_ADMIN (EPERM). What came before an Error has been handed over.
std::optional<Error> read_tracked_connections(
    const Netns& netns, const std::function<void(const TrackedConnection&)>& take);

}  // namespace connleak::netlink

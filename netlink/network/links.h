// Devices and addresses of the namespace that a channel was opened in (rtnetlink(7)).
#pragma once

#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/request.h"

namespace connleak::netlink {

struct LinkTable {
    std::vector<Link> links;
    // A bridge has its own nf_call_iptables or nf_call_ip6tables enabled (IFLA_BR_NF_CALL_*).
    bool bridge_calls_netfilter = false;
};

// All return 0 or an errno.
int read_addresses(Channel& channel, std::vector<InterfaceAddress>& addresses);
// `own` is the channel's namespace. The other ends of devices are searched for in `all`.
int read_links(Channel& channel, const Netns& own, const std::vector<Netns>& all, LinkTable& table);

}  // namespace connleak::netlink

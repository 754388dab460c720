// Programs that see, and can rewrite, every packet of a device: tc filters and BPF.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/request.h"

namespace connleak::netlink {

// Sets `programmed` on links that have a clsact or ingress qdisc, filters on another qdisc, or a
// tcx program (the link itself reports XDP and netkit). Returns 0, or the errno of the failure.
// Must be called inside the channel's namespace.
int mark_programmed_links(Channel& channel, std::vector<Link>& links);

}  // namespace connleak::netlink

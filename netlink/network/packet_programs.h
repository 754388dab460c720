// Programs that see, and may rewrite, every packet of a device: tc filters and BPF.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/request.h"

namespace connleak::netlink {

// Sets `programmed` on the links that have a clsact or ingress qdisc, filters on another qdisc, or
// a tcx program (XDP and netkit are told by the link itself). Returns 0, or the errno with which
// looking failed. To be called inside the channel's namespace.
int mark_programmed_links(Channel& channel, std::vector<Link>& links);

}  // namespace connleak::netlink

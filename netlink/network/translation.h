// Whether anything in a namespace rewrites the addresses of packets: nftables, both kinds of
// iptables, IPVS, and mappings that outlive their rule.
#pragma once

#include <string>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

struct TranslationFinding {
    Translation translation = Translation::none;
    std::string reason;  // what was found, or why it could not be checked
    int error = 0;       // the errno of that failure
};

// Both must be called inside the namespace.
TranslationFinding look_for_translation();
// br_netfilter is loaded and passes all bridged IP packets to the namespace's rules (`all`), or can
// do so for single bridges that enable it (`loaded`).
struct BridgeNetfilter {
    bool loaded = false;
    bool all = false;
};
BridgeNetfilter look_for_bridge_netfilter();

}  // namespace connleak::netlink

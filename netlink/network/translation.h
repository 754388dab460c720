// Whether anything in a namespace rewrites the addresses of packets: nftables, iptables of both
// kinds, IPVS, and mappings that outlived their rule.
#pragma once

#include <string>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

struct TranslationFinding {
    Translation translation = Translation::none;
    std::string reason;  // of what was found, or why it could not be looked at
    int error = 0;       // the errno of that
};

// Both to be called inside the namespace.
TranslationFinding look_for_translation();
// br_netfilter is loaded and hands all bridged IP packets to the namespace's rules (`all`), or
// could do so for single bridges that ask for it (`loaded`).
struct BridgeNetfilter {
    bool loaded = false;
    bool all = false;
};
BridgeNetfilter look_for_bridge_netfilter();

}  // namespace connleak::netlink

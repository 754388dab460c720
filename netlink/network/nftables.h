// Searches nftables rules for those that rewrite addresses (linux/netfilter/nf_tables.h).
#pragma once

#include <string>

#include "diagnosis/model/records.h"
#include "netlink/attributes.h"

namespace connleak::netlink {

// How a rule affects the addresses of packets.
struct RuleFinding {
    // tracked: a NAT statement, whose effect connection tracking records. possible: anything else
    // that can change the source or destination of a packet.
    Translation translation = Translation::none;
    // Takes packets out of connection tracking, or into one of its zones: the table's entry for
    // their addresses may then not be theirs.
    bool evades_tracking = false;
    std::string name;  // "nft chain ip nat postrouting (masq)"; "" if the rule has neither
};

// Decodes the payload of one NFT_MSG_NEWRULE message. Returns the worst effect in the rule.
RuleFinding look_at_rule(Bytes payload);

}  // namespace connleak::netlink

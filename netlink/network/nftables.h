// nftables rules, looked through for those that rewrite addresses (linux/netfilter/nf_tables.h).
#pragma once

#include <string>

#include "diagnosis/model/records.h"
#include "netlink/attributes.h"

namespace connleak::netlink {

// What of a rule bears on the addresses of packets.
struct RuleFinding {
    // tracked: a NAT statement, of which connection tracking keeps what it did; possible: anything
    // else that can change where a packet comes from or goes to.
    Translation translation = Translation::none;
    // Takes packets out of connection tracking, or into a zone of it: what its table has for their
    // addresses need not be theirs.
    bool evades_tracking = false;
    std::string name;  // "nft chain ip nat postrouting (masq)"; "" when it has none of both
};

// The payload of one NFT_MSG_NEWRULE message. The worst that is in the rule.
RuleFinding look_at_rule(Bytes payload);

}  // namespace connleak::netlink

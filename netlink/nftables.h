// nftables rules, looked through for those that rewrite addresses (linux/netfilter/nf_tables.h).
#pragma once

#include <optional>
#include <string>

#include "netlink/attributes.h"

namespace connleak::netlink {

// The payload of one NFT_MSG_NEWRULE message. "nft chain ip nat postrouting (masq)" when the rule
// can change where a packet comes from or goes to, std::nullopt when it cannot.
std::optional<std::string> find_translation_in_rule(Bytes payload);

}  // namespace connleak::netlink

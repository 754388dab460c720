#include "netlink/network/nftables.h"

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

namespace connleak::netlink {

namespace {

// Expressions that do NAT, and keep what they did in connection tracking (nft_nat.c, nft_masq.c,
// nft_redir.c), and the same as iptables targets (xt_nat.c and its kin).
constexpr std::array<std::string_view, 3> nat_expressions = {"nat", "masq", "redir"};
constexpr std::array<std::string_view, 5> nat_targets = {"DNAT", "SNAT", "MASQUERADE", "REDIRECT",
                                                         "NETMAP"};

// Expressions that redirect a packet without that; `queue` passes it to a program that may.
constexpr std::array<std::string_view, 4> translators = {"tproxy", "fwd", "synproxy", "queue"};

// Targets that take packets out of connection tracking or into a zone of it.
constexpr std::array<std::string_view, 2> evading_targets = {"CT", "NOTRACK"};

// iptables targets that leave addresses alone. Anybody can write a target module, so harmless ones
// are listed and all others are suspected (iptables-extensions(8)).
constexpr std::array<std::string_view, 30> harmless_targets = {
    "",        "standard",  "ERROR",    "ACCEPT",   "DROP",
    "RETURN",  "REJECT",    "LOG",      "NFLOG",    "ULOG",
    "AUDIT",   "TRACE",     "MARK",     "CONNMARK", "CONNSECMARK",
    "SECMARK", "CHECKSUM",  "CLASSIFY", "DSCP",     "TOS",
    "ECN",     "TTL",       "HL",       "TCPMSS",   "TCPOPTSTRIP",
    "HMARK",   "IDLETIMER", "LED",      "RATEEST",  "SET"};

// NFT_OBJECT_SYNPROXY and NFT_OBJECT_TUNNEL; other objects count, limit and mark.
constexpr std::uint32_t object_tunnel = 6;
constexpr std::uint32_t object_synproxy = 9;

std::uint32_t load_network_order(Bytes value) {
    const auto number = load<std::uint32_t>(value);
    if constexpr (std::endian::native == std::endian::little) return __builtin_bswap32(number);
    return number;
}

template <std::size_t size>
bool contains(const std::array<std::string_view, size>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

struct ExpressionFinding {
    Translation translation = Translation::none;
    bool evades_tracking = false;
    std::string name;
};

ExpressionFinding look_at_target(std::string name) {
    if (contains(nat_targets, name)) return {Translation::tracked, false, std::move(name)};
    if (contains(evading_targets, name)) return {Translation::none, true, std::move(name)};
    if (contains(harmless_targets, name)) return {};
    return {Translation::possible, false, std::move(name)};
}

// `ct zone set`: the only value written by the expression that selects the table's entry.
bool sets_zone(Bytes data) {
    return !find_attribute(data, NFTA_CT_SREG).empty() &&
           load_network_order(find_attribute(data, NFTA_CT_KEY)) == NFT_CT_ZONE;
}

ExpressionFinding look_at_expression(Bytes expression) {
    std::string name = load_text(find_attribute(expression, NFTA_EXPR_NAME));
    const Bytes data = find_attribute(expression, NFTA_EXPR_DATA);
    if (contains(nat_expressions, name)) return {Translation::tracked, false, std::move(name)};
    if (contains(translators, name)) return {Translation::possible, false, std::move(name)};
    if (name == "notrack") return {Translation::none, true, std::move(name)};
    if (name == "ct" && sets_zone(data)) return {Translation::none, true, "ct zone"};
    // A payload expression with a source register writes into the packet.
    if (name == "payload" && !find_attribute(data, NFTA_PAYLOAD_SREG).empty())
        return {Translation::possible, false, "payload write"};
    if (name == "target") return look_at_target(load_text(find_attribute(data, NFTA_TARGET_NAME)));
    if (name == "objref") {
        const Bytes type = find_attribute(data, NFTA_OBJREF_IMM_TYPE);
        if (type.empty()) return {Translation::possible, false, "object from a map"};
        const std::uint32_t object = load_network_order(type);
        if (object == object_synproxy) return {Translation::possible, false, "synproxy"};
        if (object == object_tunnel) return {Translation::possible, false, "tunnel"};
    }
    return {};
}

std::string_view family_name(std::uint8_t family) {
    switch (family) {
        case NFPROTO_IPV4:
            return "ip";
        case NFPROTO_IPV6:
            return "ip6";
        case NFPROTO_INET:
            return "inet";
        case NFPROTO_ARP:
            return "arp";
        case NFPROTO_BRIDGE:
            return "bridge";
        case NFPROTO_NETDEV:
            return "netdev";
        default:
            return "?";
    }
}

}  // namespace

RuleFinding look_at_rule(Bytes payload) {
    const auto header = load<nfgenmsg>(payload);
    const Bytes attributes = after_header(payload, sizeof(header));
    Bytes expressions = find_attribute(attributes, NFTA_RULE_EXPRESSIONS);
    RuleFinding result;
    while (const auto element = next_attribute(expressions)) {
        if (element->type != NFTA_LIST_ELEM) continue;
        const ExpressionFinding found = look_at_expression(element->value);
        result.evades_tracking |= found.evades_tracking;
        const bool worse = found.translation > result.translation;
        if (!worse && !(found.evades_tracking && result.name.empty())) continue;
        result.translation = std::max(result.translation, found.translation);
        result.name =
            fmt::format("nft chain {} {} {} ({})", family_name(header.nfgen_family),
                        load_text(find_attribute(attributes, NFTA_RULE_TABLE)),
                        load_text(find_attribute(attributes, NFTA_RULE_CHAIN)), found.name);
    }
    return result;
}

}  // namespace connleak::netlink

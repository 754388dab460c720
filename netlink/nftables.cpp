#include "netlink/nftables.h"

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

// Expressions that send a packet elsewhere or write its addresses; `queue` hands it to a program
// that may.
constexpr std::array<std::string_view, 7> translators = {"nat", "masq",     "redir", "tproxy",
                                                         "fwd", "synproxy", "queue"};

// iptables targets that leave addresses alone. Targets come as modules that anybody can write, so
// that it is these that are listed and all others that are suspected (iptables-extensions(8)).
constexpr std::array<std::string_view, 32> harmless_targets = {
    "",         "standard", "ERROR",       "ACCEPT",  "DROP",      "RETURN",
    "REJECT",   "LOG",      "NFLOG",       "ULOG",    "AUDIT",     "TRACE",
    "MARK",     "CONNMARK", "CONNSECMARK", "SECMARK", "CT",        "NOTRACK",
    "CHECKSUM", "CLASSIFY", "DSCP",        "TOS",     "ECN",       "TTL",
    "HL",       "TCPMSS",   "TCPOPTSTRIP", "HMARK",   "IDLETIMER", "LED",
    "RATEEST",  "SET"};

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

// What to call the expression when it can translate, else "".
std::string name_translator(Bytes expression) {
    std::string name = load_text(find_attribute(expression, NFTA_EXPR_NAME));
    const Bytes data = find_attribute(expression, NFTA_EXPR_DATA);
    if (contains(translators, name)) return name;
    // A payload expression with a source register writes into the packet.
    if (name == "payload" && !find_attribute(data, NFTA_PAYLOAD_SREG).empty())
        return "payload write";
    if (name == "target") {
        const std::string target = load_text(find_attribute(data, NFTA_TARGET_NAME));
        return contains(harmless_targets, target) ? std::string() : target;
    }
    if (name == "objref") {
        const Bytes type = find_attribute(data, NFTA_OBJREF_IMM_TYPE);
        if (type.empty()) return "object from a map";
        const std::uint32_t object = load_network_order(type);
        if (object == object_synproxy) return "synproxy";
        if (object == object_tunnel) return "tunnel";
    }
    return "";
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

std::optional<std::string> find_translation_in_rule(Bytes payload) {
    const auto header = load<nfgenmsg>(payload);
    const Bytes attributes = after_header(payload, sizeof(header));
    Bytes expressions = find_attribute(attributes, NFTA_RULE_EXPRESSIONS);
    while (const auto element = next_attribute(expressions)) {
        if (element->type != NFTA_LIST_ELEM) continue;
        const std::string translator = name_translator(element->value);
        if (translator.empty()) continue;
        return fmt::format("nft chain {} {} {} ({})", family_name(header.nfgen_family),
                           load_text(find_attribute(attributes, NFTA_RULE_TABLE)),
                           load_text(find_attribute(attributes, NFTA_RULE_CHAIN)), translator);
    }
    return std::nullopt;
}

}  // namespace connleak::netlink

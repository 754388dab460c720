#include "netlink/network/conntrack_decode.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "netlink/attributes.h"

namespace connleak::netlink {

namespace {

// Ports and the status come in network order.
std::uint32_t load_big_endian(Bytes value) {
    std::uint32_t number = 0;
    for (const std::uint8_t byte : value) number = number << 8U | byte;
    return number;
}

Address load_address(Bytes addresses, std::uint16_t ipv4, std::uint16_t ipv6) {
    const Bytes short_form = find_attribute(addresses, ipv4);
    return Address::from_bytes(short_form.empty() ? find_attribute(addresses, ipv6) : short_form);
}

// CTA_TUPLE_ORIG and CTA_TUPLE_REPLY: addresses, protocol, ports.
std::optional<Tuple> decode_tuple(Bytes tuple) {
    const Bytes addresses = find_attribute(tuple, CTA_TUPLE_IP);
    const Bytes protocol = find_attribute(tuple, CTA_TUPLE_PROTO);
    const Bytes number = find_attribute(protocol, CTA_PROTO_NUM);
    const Bytes source = find_attribute(protocol, CTA_PROTO_SRC_PORT);
    const Bytes destination = find_attribute(protocol, CTA_PROTO_DST_PORT);
    if (number.size() != 1 || number.front() != IPPROTO_TCP || source.size() != 2 ||
        destination.size() != 2)
        return std::nullopt;
    const Tuple result{{load_address(addresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
                        static_cast<std::uint16_t>(load_big_endian(source))},
                       {load_address(addresses, CTA_IP_V4_DST, CTA_IP_V6_DST),
                        static_cast<std::uint16_t>(load_big_endian(destination))}};
    if (result.local.address.family() == Family::none ||
        result.remote.address.family() == Family::none)
        return std::nullopt;
    return result;
}

}  // namespace

std::optional<TrackedConnection> decode_tracked_connection(std::span<const std::uint8_t> payload,
                                                           NetnsId netns) {
    if (payload.size() < sizeof(nfgenmsg)) return std::nullopt;
    const Bytes attributes = after_header(payload, sizeof(nfgenmsg));
    const auto original = decode_tuple(find_attribute(attributes, CTA_TUPLE_ORIG));
    const auto reply = decode_tuple(find_attribute(attributes, CTA_TUPLE_REPLY));
    if (!original || !reply) return std::nullopt;
    TrackedConnection result{.netns = netns, .original = *original, .reply = *reply, .status = 0};
    for (const std::uint16_t side : {CTA_TUPLE_ORIG, CTA_TUPLE_REPLY})
        result.zoned |= !find_attribute(find_attribute(attributes, side), CTA_TUPLE_ZONE).empty();
    result.zoned |= !find_attribute(attributes, CTA_ZONE).empty();
    const Bytes status = find_attribute(attributes, CTA_STATUS);
    if (status.size() == sizeof(std::uint32_t)) result.status = load_big_endian(status);
    return result;
}

}  // namespace connleak::netlink

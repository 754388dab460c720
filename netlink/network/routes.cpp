// Routes, routing rules and neighbours (rtnetlink(7)).
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink/network/network.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

std::uint8_t family_of(const Address& address) {
    return address.family() == Family::ipv6 ? AF_INET6 : AF_INET;
}

// The default rules of every namespace: look up local, main, default, for all packets.
bool is_plain_rule(Bytes payload) {
    const auto header = load<fib_rule_hdr>(payload);
    bool plain = header.action == FR_ACT_TO_TBL && header.dst_len == 0 && header.src_len == 0 &&
                 header.tos == 0 && (header.flags & FIB_RULE_INVERT) == 0;
    std::uint32_t table = header.table;
    for_each_attribute(after_header(payload, sizeof(header)), [&](std::uint16_t type, Bytes value) {
        switch (type) {
            case FRA_TABLE:
                table = load<std::uint32_t>(value);
                break;
            case FRA_SUPPRESS_PREFIXLEN:
            case FRA_SUPPRESS_IFGROUP:
                if (load<std::uint32_t>(value) != 0xffffffff)
                    plain = false;  // -1: nothing suppressed
                break;
            case FRA_PRIORITY:
            case FRA_PROTOCOL:
            case FRA_PAD:
                break;
            default:  // it has a selector or an unknown action
                plain = false;
                break;
        }
    });
    return plain &&
           (table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT);
}

int look_at_rules(Channel& channel, std::uint8_t family, bool& plain) {
    Request request(RTM_GETRULE, NLM_F_DUMP);
    fib_rule_hdr header{};
    header.family = family;
    request.put_header(header);
    const int failure = channel.ask_again_when_changed(
        request, [&] { plain = true; },
        [&](std::uint16_t, Bytes payload) { plain = plain && is_plain_rule(payload); });
    // A kernel without CONFIG_IP_MULTIPLE_TABLES has no rules.
    return failure == EOPNOTSUPP || failure == EAFNOSUPPORT ? 0 : failure;
}

std::optional<Route> decode_route(Bytes payload) {
    const auto header = load<rtmsg>(payload);
    if (header.rtm_type == RTN_BLACKHOLE || header.rtm_type == RTN_UNREACHABLE ||
        header.rtm_type == RTN_PROHIBIT || header.rtm_type == RTN_THROW)
        return std::nullopt;
    Route route;
    route.local = header.rtm_type == RTN_LOCAL;
    // A route for packets from certain sources only (IPv6) applies to those only.
    route.plain = (route.local || header.rtm_type == RTN_UNICAST) && header.rtm_src_len == 0;
    for_each_attribute(after_header(payload, sizeof(header)), [&](std::uint16_t type, Bytes value) {
        switch (type) {
            case RTA_OIF:
                route.interface = load<std::uint32_t>(value);
                break;
            case RTA_GATEWAY:
                route.gateway = Address::from_bytes(value);
                break;
            case RTA_VIA:  // a gateway of the other family, preceded by its family's number
                route.gateway = Address::from_bytes(after_header(value, sizeof(rtvia)));
                break;
            case RTA_MULTIPATH:
            case RTA_ENCAP:
            case RTA_ENCAP_TYPE:
            case RTA_NEWDST:
                route.plain = false;
                break;
            default:
                break;
        }
    });
    // A nexthop object that the kernel does not expand (net.ipv4.nexthop_compat_mode=0) has no
    // device.
    if (route.interface == 0) route.plain = false;
    return route;
}

bool means_no_route(int failure) {
    // The last two are what blackhole and prohibit routes answer (fib_props[] in
    // net/ipv4/fib_semantics.c).
    return failure == ENETUNREACH || failure == EHOSTUNREACH || failure == EINVAL ||
           failure == EACCES;
}

std::optional<std::vector<std::uint8_t>> decode_neighbour(Bytes payload, std::uint32_t interface,
                                                          const Address& address) {
    constexpr unsigned usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
    const auto header = load<ndmsg>(payload);
    if (header.ndm_ifindex != static_cast<int>(interface) || (header.ndm_state & usable) == 0)
        return std::nullopt;
    const Bytes attributes = after_header(payload, sizeof(header));
    if (Address::from_bytes(find_attribute(attributes, NDA_DST)) != address) return std::nullopt;
    const Bytes hardware = find_attribute(attributes, NDA_LLADDR);
    if (hardware.empty()) return std::nullopt;
    return std::vector<std::uint8_t>(hardware.begin(), hardware.end());
}

}  // namespace

std::expected<std::optional<Route>, Error> find_route(const Netns& netns,
                                                      const Address& destination) {
    if (destination.family() == Family::none) return std::nullopt;
    auto channel = Channel::open(netns, NETLINK_ROUTE);
    if (!channel) return std::unexpected(channel.error());
    rtmsg header{};
    header.rtm_family = family_of(destination);
    header.rtm_dst_len = static_cast<std::uint8_t>(destination.bytes().size() * 8);
    // Asks for the table's entry itself: a plain query would return one hop of a multipath route,
    // chosen at random.
    header.rtm_flags = RTM_F_FIB_MATCH;
    Request request(RTM_GETROUTE, 0);
    request.put_header(header);
    request.put(RTA_DST, destination.bytes());
    std::optional<Route> route;
    int failure =
        channel->ask(request, [&](std::uint16_t, Bytes payload) { route = decode_route(payload); });
    if (means_no_route(failure)) return std::nullopt;
    if (failure != 0)
        return std::unexpected(
            make_error(failure, "asking for the route to " + destination.text()));
    if (!route) return std::nullopt;
    bool plain_rules = false;
    failure = look_at_rules(*channel, header.rtm_family, plain_rules);
    if (failure != 0) return std::unexpected(make_error(failure, "reading the routing rules"));
    route->plain = route->plain && plain_rules;
    return route;
}

std::expected<std::optional<std::vector<std::uint8_t>>, Error> find_neighbour(
    const Netns& netns, std::uint32_t interface, const Address& address) {
    if (address.family() == Family::none) return std::nullopt;
    auto channel = Channel::open(netns, NETLINK_ROUTE);
    if (!channel) return std::unexpected(channel.error());
    ndmsg header{};
    header.ndm_family = family_of(address);
    header.ndm_ifindex = static_cast<int>(interface);
    std::optional<std::vector<std::uint8_t>> found;
    const auto take = [&](std::uint16_t, Bytes payload) {
        if (!found) found = decode_neighbour(payload, interface, address);
    };
    Request exact(RTM_GETNEIGH, 0);
    exact.put_header(header);
    exact.put(NDA_DST, address.bytes());
    int failure = channel->ask(exact, take);
    if (failure == EOPNOTSUPP || failure == EINVAL) {  // before Linux 5.0 there are only dumps
        Request dump(RTM_GETNEIGH, NLM_F_DUMP);
        ndmsg everything{};
        everything.ndm_family = header.ndm_family;
        dump.put_header(everything);
        failure = channel->ask_again_when_changed(
            dump, [&] { found.reset(); }, take);
    }
    if (failure == ENOENT || failure == ENODEV) return std::nullopt;
    if (failure != 0)
        return std::unexpected(make_error(failure, "asking for the neighbour " + address.text()));
    return found;
}

}  // namespace connleak::netlink

#include "netlink/network/links.h"

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <optional>

namespace connleak::netlink {

namespace {

using NamespaceNumber = std::int32_t;  // the kernel's number for another namespace, per namespace

struct DecodedLink {
    Link link;
    std::optional<NamespaceNumber> peer_number;
    bool calls_netfilter = false;
};

void decode_kind(Bytes value, DecodedLink& decoded) {
    decoded.link.kind = load_text(find_attribute(value, IFLA_INFO_KIND));
    if (decoded.link.kind != "bridge") return;
    const Bytes data = find_attribute(value, IFLA_INFO_DATA);
    decoded.calls_netfilter =
        load<std::uint8_t>(find_attribute(data, IFLA_BR_NF_CALL_IPTABLES)) != 0 ||
        load<std::uint8_t>(find_attribute(data, IFLA_BR_NF_CALL_IP6TABLES)) != 0;
}

DecodedLink decode_link(Bytes payload) {
    DecodedLink decoded;
    Link& link = decoded.link;
    const auto header = load<ifinfomsg>(payload);
    link.index = static_cast<std::uint32_t>(header.ifi_index);
    link.up = (header.ifi_flags & IFF_UP) != 0;
    link.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
    for_each_attribute(after_header(payload, sizeof(header)), [&](std::uint16_t type, Bytes value) {
        switch (type) {
            case IFLA_IFNAME:
                link.name = load_text(value);
                break;
            case IFLA_ADDRESS:
                link.hardware_address.assign(value.begin(), value.end());
                break;
            case IFLA_MASTER:
                link.master = load<std::uint32_t>(value);
                break;
            case IFLA_LINK:
                link.peer_index = load<std::uint32_t>(value);
                break;
            case IFLA_LINK_NETNSID:
                decoded.peer_number = load<NamespaceNumber>(value);
                break;
            case IFLA_XDP:
                if (load<std::uint8_t>(find_attribute(value, IFLA_XDP_ATTACHED)) !=
                    XDP_ATTACHED_NONE)
                    link.programmed = true;
                break;
            case IFLA_LINKINFO:
                decode_kind(value, decoded);
                break;
            default:
                break;
        }
    });
    // netkit(4) devices exist to run BPF programs on every packet.
    if (link.kind == "netkit") link.programmed = true;
    return decoded;
}

// The channel's namespace's number for another namespace; absent when it has none.
std::optional<NamespaceNumber> number_of(Channel& channel, const Netns& netns) {
    Request request(RTM_GETNSID, 0);
    request.put_header(rtgenmsg{.rtgen_family = AF_UNSPEC});
    request.put_u32(NETNSA_FD, static_cast<std::uint32_t>(netns.descriptor().get()));
    std::optional<NamespaceNumber> number;
    const int failure = channel.ask(request, [&](std::uint16_t, Bytes payload) {
        // The header has one byte, its attributes begin at the next multiple of four.
        const Bytes value =
            find_attribute(after_header(payload, NLMSG_ALIGN(sizeof(rtgenmsg))), NETNSA_NSID);
        if (!value.empty()) number = load<NamespaceNumber>(value);
    });
    if (failure != 0 || number == NETNSA_NSID_NOT_ASSIGNED) return std::nullopt;
    return number;
}

// Queries only until all numbers are resolved: `all` begins with our own namespace, where the other
// end of a container's only device nearly always is.
void resolve_peers(Channel& channel, const std::vector<Netns>& all,
                   std::vector<DecodedLink>& links) {
    const auto unresolved = [](const DecodedLink& decoded) {
        return decoded.peer_number && !decoded.link.peer_netns;
    };
    auto left = std::count_if(links.begin(), links.end(), unresolved);
    for (auto netns = all.begin(); netns != all.end() && left > 0; ++netns) {
        if (!netns->descriptor()) continue;
        const auto number = number_of(channel, *netns);
        if (!number) continue;
        for (DecodedLink& decoded : links)
            if (decoded.peer_number == number) decoded.link.peer_netns = netns->id();
        left = std::count_if(links.begin(), links.end(), unresolved);
    }
}

}  // namespace

int read_addresses(Channel& channel, std::vector<InterfaceAddress>& addresses) {
    Request request(RTM_GETADDR, NLM_F_DUMP);
    request.put_header(ifaddrmsg{});
    return channel.ask_again_when_changed(
        request, [&] { addresses.clear(); },
        [&](std::uint16_t, Bytes payload) {
            const auto header = load<ifaddrmsg>(payload);
            const Bytes attributes = after_header(payload, sizeof(header));
            // On a point-to-point device IFA_ADDRESS is the other end's address; IFA_LOCAL, if
            // present, is ours.
            Bytes address = find_attribute(attributes, IFA_LOCAL);
            if (address.empty()) address = find_attribute(attributes, IFA_ADDRESS);
            if (!address.empty())
                addresses.push_back(
                    {Address::from_bytes(address), header.ifa_prefixlen, header.ifa_index});
        });
}

int read_links(Channel& channel, const Netns& own, const std::vector<Netns>& all,
               LinkTable& table) {
    Request request(RTM_GETLINK, NLM_F_DUMP);
    request.put_header(ifinfomsg{});
    request.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    std::vector<DecodedLink> links;
    const int failure = channel.ask_again_when_changed(
        request, [&] { links.clear(); },
        [&](std::uint16_t, Bytes payload) { links.push_back(decode_link(payload)); });
    resolve_peers(channel, all, links);
    for (DecodedLink& decoded : links) {
        // Without a number the other end, if there is one, is in the same namespace.
        if (decoded.link.peer_index != 0 && !decoded.peer_number)
            decoded.link.peer_netns = own.id();
        if (decoded.calls_netfilter) table.bridge_calls_netfilter = true;
        table.links.push_back(std::move(decoded.link));
    }
    return failure;
}

}  // namespace connleak::netlink

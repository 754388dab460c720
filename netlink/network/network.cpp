#include "netlink/network/network.h"

#include <linux/netlink.h>

#include <charconv>

#include "netlink/network/links.h"
#include "netlink/network/packet_programs.h"
#include "netlink/network/translation.h"
#include "netlink/proc_file.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

constexpr const char* lacking_addresses =
    "which addresses are its own stays unknown: connections between it and other namespaces are "
    "not joined";
constexpr const char* lacking_links =
    "how it is connected to other namespaces stays unknown: nothing is concluded from a peer's "
    "absence";
constexpr const char* lacking_translation =
    "whether addresses are translated here is not known: nothing is concluded from the absence of "
    "a "
    "peer beyond";

void read_port_range(Namespace& into) {
    const auto text = read_proc_file("/proc/sys/net/ipv4/ip_local_port_range");
    if (!text) return;
    const char* const end = text->data() + text->size();
    std::uint16_t low = 0;
    std::uint16_t high = 0;
    const auto first = std::from_chars(text->data(), end, low);
    if (first.ec != std::errc{} || first.ptr == end) return;
    if (std::from_chars(first.ptr + 1, end, high).ec != std::errc{}) return;  // separated by a tab
    into.port_range_low = low;
    into.port_range_high = high;
}

// Returns the errno with which the check for translation failed, or 0.
int read_inside(const Netns& netns, const std::vector<Netns>& all, Namespace& into,
                std::vector<Gap>& gaps) {
    const auto note = [&](int failure, const char* effect) {
        if (failure != 0) gaps.push_back({"netlink", netns.label(), errno_name(failure), effect});
    };
    LinkTable table;
    int programs_unread = 0;
    auto channel = Channel::open_here(NETLINK_ROUTE);
    if (channel) {
        note(read_addresses(*channel, into.addresses), lacking_addresses);
        note(read_links(*channel, netns, all, table), lacking_links);
        programs_unread = mark_programmed_links(*channel, table.links);
    } else {
        note(channel.error().code, lacking_addresses);
    }
    into.links = std::move(table.links);

    TranslationFinding finding = look_for_translation();
    if (programs_unread != 0 && finding.translation == Translation::none)
        finding = {Translation::unknown,
                   "cannot look for packet programs: " + errno_name(programs_unread),
                   programs_unread};
    into.translation = finding.translation;
    into.translation_reason = std::move(finding.reason);

    const BridgeNetfilter bridges = look_for_bridge_netfilter();
    into.bridge_translates = into.translation != Translation::none &&
                             (bridges.all || (bridges.loaded && table.bridge_calls_netfilter));
    read_port_range(into);
    return finding.error;
}

}  // namespace

std::vector<Gap> read_network(const Netns& netns, const std::vector<Netns>& all, Namespace& into) {
    into = Namespace();
    into.id = netns.id();
    into.name = netns.name();
    into.own = netns.own();
    std::vector<Gap> gaps;
    int untold = 0;
    const int failure = netns.run([&] { untold = read_inside(netns, all, into, gaps); });
    if (failure != 0) {
        gaps.push_back({"netlink", netns.label(), errno_name(failure), lacking_addresses});
        into.translation_reason = "cannot enter the namespace: " + errno_name(failure);
    }
    into.complete = gaps.empty();
    if (into.translation == Translation::unknown && untold != 0)
        gaps.push_back({"conntrack", netns.label(), errno_name(untold), lacking_translation});
    return gaps;
}

}  // namespace connleak::netlink

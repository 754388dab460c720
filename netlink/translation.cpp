#include "netlink/translation.h"

#include <fmt/format.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>
#include <string_view>

#include "netlink/nftables.h"
#include "netlink/proc_file.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

TranslationFinding possible(std::string reason) {
    return {Translation::possible, std::move(reason)};
}

TranslationFinding unknown(std::string_view what, int failure) {
    return {Translation::unknown, fmt::format("cannot read {}: {}", what, errno_name(failure))};
}

// The kernel has no such subsystem: nothing there can translate. EINVAL is nfnetlink's answer to
// the number of a subsystem that is neither loaded nor loadable (nfnetlink_rcv_msg()).
bool is_absent(int failure) {
    return failure == EOPNOTSUPP || failure == EPROTONOSUPPORT || failure == ENOENT ||
           failure == EINVAL;
}

std::uint16_t message_type(unsigned subsystem, unsigned message) {
    return static_cast<std::uint16_t>(subsystem << 8U | message);
}

TranslationFinding look_at_nftables(Channel& channel) {
    Request request(message_type(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE), NLM_F_DUMP);
    request.put_header(nfgenmsg{});  // family 0: all of them
    std::optional<std::string> found;
    const int failure = channel.ask_again_when_changed(
        request, [&] { found.reset(); },
        [&](std::uint16_t, Bytes payload) {
            if (!found) found = find_translation_in_rule(payload);
        });
    if (found) return possible(*found);
    if (failure != 0 && !is_absent(failure)) return unknown("nftables", failure);
    return {};
}

// iptables-legacy: the tables that the namespace has, a name to a line. What is in them is not
// looked at.
TranslationFinding look_at_legacy_tables(const char* path, const char* program,
                                         bool mangle_counts) {
    const auto names = read_proc_file(path);
    if (!names) {
        if (names.error() == ENOENT) return {};
        return unknown(fmt::format("{}'s tables", program), names.error());
    }
    const std::string lines = "\n" + *names;
    if (lines.find("\nnat\n") != std::string::npos)
        return possible(fmt::format("{} table nat", program));
    // NPTv6 (SNPT, DNPT) lives in ip6tables' mangle table.
    if (mangle_counts && lines.find("\nmangle\n") != std::string::npos)
        return possible(fmt::format("{} table mangle", program));
    return {};
}

// Three lines of heading, then services and their servers (ip_vs_info_seq_show()).
TranslationFinding look_at_ipvs() {
    const auto services = read_proc_file("/proc/thread-self/net/ip_vs");
    if (!services)
        return services.error() == ENOENT ? TranslationFinding()
                                          : unknown("IPVS", services.error());
    if (std::count(services->begin(), services->end(), '\n') > 3) return possible("IPVS services");
    return {};
}

std::uint32_t swap_network_order(std::uint32_t value) {
    if constexpr (std::endian::native == std::endian::little) return __builtin_bswap32(value);
    return value;
}

// A connection keeps its mapping when the rule that made it is deleted, so that an empty ruleset
// alone does not prove that what is established now is not translated.
TranslationFinding look_at_mappings(Channel& channel) {
    // Without connection tracking, or with nothing tracked, there are none.
    const auto count = read_proc_file("/proc/sys/net/netfilter/nf_conntrack_count");
    if (!count || *count == "0\n") return {};
    const std::uint32_t wanted = swap_network_order(IPS_NAT_MASK);
    Request request(message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET), NLM_F_DUMP);
    request.put_header(nfgenmsg{});
    bool found = false;
    const int failure = channel.ask(request, [&](std::uint16_t, Bytes payload) {
        const auto status = load<std::uint32_t>(
            find_attribute(after_header(payload, sizeof(nfgenmsg)), CTA_STATUS));
        if ((status & wanted) != 0) found = true;
    });
    if (found) return possible("connection tracking holds translated connections");
    if (failure != 0 && !is_absent(failure)) return unknown("connection tracking", failure);
    return {};
}

// The strongest finding counts; among equals the first.
void take_stronger(TranslationFinding& best, TranslationFinding found) {
    const auto weight = [](Translation translation) {
        return translation == Translation::possible  ? 2
               : translation == Translation::unknown ? 1
                                                     : 0;
    };
    if (weight(found.translation) > weight(best.translation)) best = std::move(found);
}

}  // namespace

TranslationFinding look_for_translation() {
    TranslationFinding best;
    auto channel = Channel::open_here(NETLINK_NETFILTER);
    if (channel)
        take_stronger(best, look_at_nftables(*channel));
    else if (!is_absent(channel.error().code))
        take_stronger(best, unknown("nftables", channel.error().code));

    // Where /proc is not mounted, or is another process namespace's, absent files prove nothing.
    if (access("/proc/thread-self/net/dev", R_OK) != 0) {
        take_stronger(best, unknown("/proc/thread-self/net", errno));
        return best;
    }
    take_stronger(
        best, look_at_legacy_tables("/proc/thread-self/net/ip_tables_names", "iptables", false));
    take_stronger(
        best, look_at_legacy_tables("/proc/thread-self/net/ip6_tables_names", "ip6tables", true));
    take_stronger(best, look_at_ipvs());
    if (channel && best.translation == Translation::none)
        take_stronger(best, look_at_mappings(*channel));
    return best;
}

BridgeNetfilter look_for_bridge_netfilter() {
    BridgeNetfilter result;
    for (const char* path : {"/proc/sys/net/bridge/bridge-nf-call-iptables",
                             "/proc/sys/net/bridge/bridge-nf-call-ip6tables"}) {
        const auto value = read_proc_file(path);
        if (!value) continue;  // br_netfilter is not loaded
        result.loaded = true;
        if (value->starts_with('1')) result.all = true;
    }
    return result;
}

}  // namespace connleak::netlink

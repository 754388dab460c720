#include "netlink/network/translation.h"

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

#include "netlink/network/nftables.h"
#include "netlink/proc_file.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

TranslationFinding tracked(std::string reason) {
    return {Translation::tracked, std::move(reason), 0};
}

TranslationFinding possible(std::string reason) {
    return {Translation::possible, std::move(reason), 0};
}

TranslationFinding unknown(std::string_view what, int failure) {
    return {Translation::unknown, fmt::format("cannot read {}: {}", what, errno_name(failure)),
            failure};
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

// `evades`: what takes packets out of connection tracking; "" for none.
TranslationFinding look_at_nftables(Channel& channel, std::string& evades) {
    Request request(message_type(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE), NLM_F_DUMP);
    request.put_header(nfgenmsg{});  // family 0: all of them
    TranslationFinding worst;
    const int failure = channel.ask_again_when_changed(
        request, [&] { worst = {}, evades.clear(); },
        [&](std::uint16_t, Bytes payload) {
            const RuleFinding rule = look_at_rule(payload);
            if (rule.evades_tracking) evades = rule.name;
            if (rule.translation > worst.translation) worst = {rule.translation, rule.name, 0};
        });
    if (failure != 0 && !is_absent(failure) && worst.translation < Translation::unknown)
        return unknown("nftables", failure);
    return worst;
}

// iptables-legacy: the namespace's tables, one name per line. Their rules are not read. Only the
// raw table can take packets out of connection tracking.
TranslationFinding look_at_legacy_tables(const char* path, const char* program, bool mangle_counts,
                                         std::string& evades) {
    const auto names = read_proc_file(path);
    if (!names) {
        if (names.error() == ENOENT) return {};
        return unknown(fmt::format("{}'s tables", program), names.error());
    }
    const std::string lines = "\n" + *names;
    const auto has = [&](const char* table) {
        return lines.find(fmt::format("\n{}\n", table)) != std::string::npos;
    };
    if (has("raw")) evades = fmt::format("{} table raw", program);
    // NPTv6 (SNPT, DNPT) lives in ip6tables' mangle table.
    if (mangle_counts && has("mangle")) return possible(fmt::format("{} table mangle", program));
    return has("nat") ? tracked(fmt::format("{} table nat", program)) : TranslationFinding();
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

// A connection keeps its mapping after the rule that created it was deleted. So an empty ruleset
// does not prove that existing connections are not translated.
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
    if (found) return tracked("connection tracking holds translated connections");
    if (failure != 0 && !is_absent(failure)) return unknown("connection tracking", failure);
    return {};
}

// The worst finding counts; among equals the first.
void take_worse(TranslationFinding& worst, TranslationFinding found) {
    if (found.translation > worst.translation) worst = std::move(found);
}

}  // namespace

TranslationFinding look_for_translation() {
    TranslationFinding worst;
    std::string evades;
    auto channel = Channel::open_here(NETLINK_NETFILTER);
    if (channel)
        take_worse(worst, look_at_nftables(*channel, evades));
    else if (!is_absent(channel.error().code))
        take_worse(worst, unknown("nftables", channel.error().code));

    // If /proc is not mounted, or belongs to another pid namespace, absent files prove nothing.
    if (access("/proc/thread-self/net/dev", R_OK) != 0) {
        take_worse(worst, unknown("/proc/thread-self/net", errno));
        return worst;
    }
    take_worse(worst, look_at_legacy_tables("/proc/thread-self/net/ip_tables_names", "iptables",
                                            false, evades));
    take_worse(worst, look_at_legacy_tables("/proc/thread-self/net/ip6_tables_names", "ip6tables",
                                            true, evades));
    take_worse(worst, look_at_ipvs());
    if (channel && worst.translation == Translation::none)
        take_worse(worst, look_at_mappings(*channel));
    if (worst.translation == Translation::tracked && !evades.empty())
        return possible(fmt::format("{}, and {}", worst.reason, evades));
    return worst;
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

#include "netlink/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <expected>

#include "netlink/conntrack_decode.h"
#include "netlink/proc_file.h"
#include "netlink/request.h"

namespace connleak::netlink {

std::optional<Error> read_tracked_connections(
    const Netns& netns, const std::function<void(const TrackedConnection&)>& take) {
    constexpr const char* doing = "reading the connection tracking table";
    bool in_use = false;
    std::expected<Channel, Error> channel = std::unexpected(Error());
    const int not_entered = netns.run([&] {
        const auto count = read_proc_file("/proc/sys/net/netfilter/nf_conntrack_count");
        in_use = count && *count != "0\n";
        if (in_use) channel = Channel::open_here(NETLINK_NETFILTER);
    });
    if (not_entered != 0) return make_error(not_entered, "entering " + netns.label());
    if (!in_use) return std::nullopt;
    if (!channel) return channel.error();
    Request request(NFNL_SUBSYS_CTNETLINK << 8U | IPCTNL_MSG_CT_GET, NLM_F_DUMP);
    request.put_header(nfgenmsg{});  // family 0: both
    const int failure = channel->ask(request, [&](std::uint16_t, Bytes payload) {
        if (const auto tracked = decode_tracked_connection(payload, netns.id())) take(*tracked);
    });
    if (failure != 0) return make_error(failure, doing);
    return std::nullopt;
}

}  // namespace connleak::netlink

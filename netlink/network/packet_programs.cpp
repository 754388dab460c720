#include "netlink/network/packet_programs.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace connleak::netlink {

namespace {

// linux/bpf.h of Linux 6.6 and later; Debian 12's header is older. BPF_PROG_QUERY by device for
// tcx.
constexpr int bpf_prog_query = 16;
constexpr std::uint32_t bpf_tcx_ingress = 46;
constexpr std::uint32_t bpf_tcx_egress = 47;

// The member `query` of union bpf_attr, to its end: the kernel writes `revision` back.
struct BpfQuery {
    std::uint32_t target_ifindex = 0;
    std::uint32_t attach_type = 0;
    std::uint32_t query_flags = 0;
    std::uint32_t attach_flags = 0;
    std::uint64_t program_ids = 0;
    std::uint32_t count = 0;
    std::uint32_t padding = 0;
    std::uint64_t program_attach_flags = 0;
    std::uint64_t link_ids = 0;
    std::uint64_t link_attach_flags = 0;
    std::uint64_t revision = 0;
};
static_assert(sizeof(BpfQuery) == 64);

struct Qdisc {
    std::uint32_t interface = 0;
    std::uint32_t handle = 0;
    std::string kind;
};

int read_qdiscs(Channel& channel, std::vector<Qdisc>& qdiscs) {
    Request request(RTM_GETQDISC, NLM_F_DUMP);
    request.put_header(tcmsg{});
    const int failure = channel.ask_again_when_changed(
        request, [&] { qdiscs.clear(); },
        [&](std::uint16_t, Bytes payload) {
            const auto header = load<tcmsg>(payload);
            qdiscs.push_back(
                {static_cast<std::uint32_t>(header.tcm_ifindex), header.tcm_handle,
                 load_text(find_attribute(after_header(payload, sizeof(header)), TCA_KIND))});
        });
    return failure == EOPNOTSUPP ? 0 : failure;  // a kernel without CONFIG_NET_SCHED
}

// A filter classifies, and its actions may rewrite (pedit, nat, bpf). The actions are not read:
// filters on an egress qdisc are rare, so any of them counts as a possible rewrite.
int has_filters(Channel& channel, const Qdisc& qdisc, bool& found) {
    Request request(RTM_GETTFILTER, NLM_F_DUMP);
    tcmsg header{};
    header.tcm_ifindex = static_cast<int>(qdisc.interface);
    header.tcm_parent = qdisc.handle;
    request.put_header(header);
    const int failure = channel.ask_again_when_changed(
        request, [&] { found = false; }, [&](std::uint16_t, Bytes) { found = true; });
    // The device or its qdisc was removed meanwhile.
    return failure == ENODEV || failure == EINVAL || failure == EOPNOTSUPP ? 0 : failure;
}

// Programs on a tcx hook. `known` becomes false if the kernel has no tcx, to avoid further queries.
int count_tcx_programs(std::uint32_t interface, std::uint32_t hook, std::uint32_t& count,
                       bool& known) {
    BpfQuery query{.target_ifindex = interface, .attach_type = hook};
    count = 0;
    if (syscall(SYS_bpf, bpf_prog_query, &query, sizeof(query)) == 0) {
        count = query.count;
        return 0;
    }
    switch (errno) {
        case EINVAL:  // before Linux 6.6
        case ENOSYS:  // a kernel without BPF
        case E2BIG:   // before the structure had these members, thus before tcx
            known = false;
            return 0;
        case ENODEV:
        case ENOENT:
            return 0;
        default:
            return errno;
    }
}

int mark_tcx_links(std::vector<Link>& links) {
    bool known = true;
    for (Link& link : links) {
        for (const std::uint32_t hook : {bpf_tcx_ingress, bpf_tcx_egress}) {
            if (!known || link.programmed) break;
            std::uint32_t count = 0;
            if (const int failure = count_tcx_programs(link.index, hook, count, known);
                failure != 0)
                return failure;
            if (count > 0) link.programmed = true;
        }
    }
    return 0;
}

}  // namespace

int mark_programmed_links(Channel& channel, std::vector<Link>& links) {
    std::vector<Qdisc> qdiscs;
    int failure = read_qdiscs(channel, qdiscs);
    for (const Qdisc& qdisc : qdiscs) {
        const auto link = std::find_if(links.begin(), links.end(), [&](const Link& candidate) {
            return candidate.index == qdisc.interface;
        });
        if (link == links.end() || link->programmed) continue;
        bool programmed = qdisc.kind == "clsact" || qdisc.kind == "ingress";
        // A qdisc that was not configured by a user has the handle 0, and no filters.
        if (!programmed && qdisc.handle != 0) {
            const int unread = has_filters(channel, qdisc, programmed);
            if (failure == 0) failure = unread;
        }
        link->programmed = programmed;
    }
    const int unread = mark_tcx_links(links);
    return failure != 0 ? failure : unread;
}

}  // namespace connleak::netlink

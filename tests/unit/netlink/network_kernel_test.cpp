// Namespaces and their networks, as the running kernel shows those that the test made.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "diagnosis/model/report.h"
#include "netlink/network/conntrack.h"
#include "netlink/network/network.h"
#include "tests/unit/netlink/lab.h"

namespace connleak::netlink {
namespace {

using namespace lab;

NetnsId current_netns() {
    struct stat status {};
    return stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

Namespace read(const Netns& netns, const std::vector<Netns>& all) {
    Namespace into;
    const std::vector<Gap> gaps = read_network(netns, all, into);
    EXPECT_TRUE(gaps.empty()) << gaps.front().error;
    EXPECT_TRUE(into.complete);
    return into;
}

Link link_named(const Namespace& netns, const std::string& name) {
    const auto at = std::find_if(netns.links.begin(), netns.links.end(),
                                 [&](const Link& link) { return link.name == name; });
    if (at == netns.links.end()) throw std::runtime_error("no link " + name);
    return *at;
}

bool has_address(const Namespace& netns, const InterfaceAddress& address) {
    return std::find(netns.addresses.begin(), netns.addresses.end(), address) !=
           netns.addresses.end();
}

// Two namespaces joined by a veth pair: 10.9.0.1 (fd09::1) on `left`, 10.9.0.2 (fd09::2) on
// `right`.
std::vector<Netns> make_joined() {
    std::vector<Netns> both;
    both.push_back(make_netns());
    both.push_back(make_netns());
    shell(both[0], fmt::format("ip link add left type veth peer name right netns /proc/{}/fd/{}",
                               getpid(), both[1].descriptor().get()));
    shell(both[0], "ip addr add 10.9.0.1/24 dev left && ip addr add fd09::1/64 dev left nodad");
    shell(both[0], "ip link set left up");
    shell(both[1], "ip addr add 10.9.0.2/24 dev right && ip addr add fd09::2/64 dev right nodad");
    shell(both[1], "ip link set right up");
    // The kernel makes an IPv6 address usable some moments later, by a worker of its own.
    for (std::size_t at = 0; at < both.size(); ++at)
        shell(both[at], fmt::format("for i in $(seq 3000); do ip -6 route get fd09::{} 2>&1 | "
                                    "grep -q ^local && break; sleep 0.01; done",
                                    at + 1));
    return both;
}

TEST(KernelNetns, WorkRunsInside) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    EXPECT_EQ(inside(netns, current_netns), netns.id());
    EXPECT_NE(current_netns(), netns.id());
    EXPECT_THROW((void)netns.run([] { throw std::runtime_error("out"); }), std::runtime_error);
}

TEST(KernelNetns, OwnNeedsNoRights) {
    const NetnsSearch search = find_own_netns();
    ASSERT_EQ(search.found.size(), 1U);
    EXPECT_TRUE(search.gaps.empty());
    EXPECT_TRUE(search.found[0].own());
    EXPECT_EQ(search.found[0].id(), current_netns());
    EXPECT_EQ(inside(search.found[0], current_netns), current_netns());
}

TEST(KernelNetns, FoundByNameAndByPid) {
    NEEDS_ROOT();
    const std::string name = fmt::format("connleak-test-{}", getpid());
    const NetnsSearch own = find_own_netns();
    shell(own.found[0], "ip netns add " + name);
    const NetnsSearch all = find_all_netns();
    const NetnsSearch one = find_netns(name);
    const NetnsSearch path = find_netns("/run/netns/" + name);
    shell(own.found[0], "ip netns del " + name);

    ASSERT_FALSE(all.found.empty());
    EXPECT_TRUE(all.found[0].own());
    EXPECT_EQ(std::count_if(all.found.begin(), all.found.end(),
                            [](const Netns& netns) { return netns.own(); }),
              1);
    const auto at = std::find_if(all.found.begin(), all.found.end(),
                                 [&](const Netns& netns) { return netns.name() == name; });
    ASSERT_NE(at, all.found.end());
    ASSERT_EQ(one.found.size(), 1U);
    EXPECT_EQ(one.found[0].id(), at->id());
    EXPECT_EQ(one.found[0].label(), "netns " + name);
    ASSERT_EQ(path.found.size(), 1U);
    EXPECT_EQ(path.found[0].id(), at->id());

    const NetnsSearch self = find_netns(std::to_string(getpid()));
    ASSERT_EQ(self.found.size(), 1U);
    EXPECT_TRUE(self.found[0].own());
    const NetnsSearch none = find_netns("no-such-namespace");
    EXPECT_TRUE(none.found.empty());
    ASSERT_EQ(none.gaps.size(), 1U);
    EXPECT_EQ(none.gaps[0],
              (Gap{"netns", "no-such-namespace", "ENOENT", "there is no such network namespace"}));
}

TEST(KernelNetwork, BothEndsOfAVeth) {
    NEEDS_ROOT();
    const std::vector<Netns> both = make_joined();
    const Namespace left = read(both[0], both);
    const Namespace right = read(both[1], both);
    const Link here = link_named(left, "left");
    const Link there = link_named(right, "right");
    EXPECT_EQ(here.kind, "veth");
    EXPECT_EQ(here.peer_index, there.index);
    EXPECT_EQ(here.peer_netns, both[1].id());
    EXPECT_EQ(there.peer_index, here.index);
    EXPECT_EQ(there.peer_netns, both[0].id());
    EXPECT_TRUE(here.up);
    EXPECT_FALSE(here.loopback);
    EXPECT_FALSE(here.programmed);
    EXPECT_EQ(here.hardware_address.size(), 6U);
    EXPECT_TRUE(link_named(left, "lo").loopback);
    EXPECT_TRUE(has_address(left, {*Address::parse("10.9.0.1"), 24, here.index}));
    EXPECT_TRUE(has_address(left, {*Address::parse("fd09::1"), 64, here.index}));
    EXPECT_TRUE(has_address(left, {*Address::parse("127.0.0.1"), 8, 1}));
    EXPECT_EQ(left.port_range_low, 32768);
    EXPECT_EQ(left.port_range_high, 60999);

    // With the other namespace out of sight its end is not named.
    const std::vector<Netns> alone;
    EXPECT_FALSE(link_named(read(both[0], alone), "left").peer_netns);
}

TEST(KernelNetwork, BridgeAndItsPorts) {
    NEEDS_ROOT();
    std::vector<Netns> all;
    all.push_back(make_netns());
    shell(all[0], "ip link add b0 type bridge && ip link add p0 type veth peer name q0");
    shell(all[0],
          "ip link set p0 master b0 && echo 2000 3000 > /proc/sys/net/ipv4/ip_local_port_range");
    const Namespace netns = read(all[0], all);
    EXPECT_EQ(link_named(netns, "b0").kind, "bridge");
    EXPECT_EQ(link_named(netns, "p0").master, link_named(netns, "b0").index);
    EXPECT_EQ(link_named(netns, "p0").peer_netns, all[0].id());
    EXPECT_EQ(link_named(netns, "p0").peer_index, link_named(netns, "q0").index);
    EXPECT_FALSE(link_named(netns, "b0").peer_netns);
    EXPECT_EQ(netns.port_range_low, 2000);
    EXPECT_EQ(netns.port_range_high, 3000);
}

TEST(KernelNetwork, PacketProgramsAreSeen) {
    NEEDS_ROOT();
    std::vector<Netns> all;
    all.push_back(make_netns());
    shell(all[0], "ip link add d0 type veth peer name d1 && ip link add d2 type veth peer name d3");
    EXPECT_FALSE(link_named(read(all[0], all), "d0").programmed);
    shell(all[0], "tc qdisc add dev d0 clsact && tc qdisc add dev d1 ingress");
    shell(all[0], "tc qdisc add dev d2 root handle 1: htb");
    Namespace netns = read(all[0], all);
    EXPECT_TRUE(link_named(netns, "d0").programmed);
    EXPECT_TRUE(link_named(netns, "d1").programmed);
    EXPECT_FALSE(link_named(netns, "d2").programmed);
    EXPECT_FALSE(link_named(netns, "lo").programmed);
    shell(all[0], "tc qdisc del dev d0 clsact");
    shell(all[0], "tc filter add dev d2 parent 1: protocol ip u32 match u32 0 0 flowid 1:1");
    netns = read(all[0], all);
    EXPECT_FALSE(link_named(netns, "d0").programmed);
    EXPECT_TRUE(link_named(netns, "d2").programmed);
}

TEST(KernelNetwork, TranslationByNftables) {
    NEEDS_ROOT();
    std::vector<Netns> all;
    all.push_back(make_netns());
    const auto reason = [&] {
        const Namespace netns = read(all[0], all);
        if (netns.translation == Translation::none) return "none" + netns.translation_reason;
        if (netns.translation == Translation::unknown) return "unknown " + netns.translation_reason;
        return netns.translation_reason + ": " + std::string(to_string(netns.translation));
    };
    EXPECT_EQ(reason(), "none");
    // A chain alone does nothing, and neither does a filter.
    shell(all[0],
          "nft 'add table inet shop; add chain inet shop out { type nat hook postrouting priority "
          "100; };"
          " add chain inet shop in { type filter hook input priority 0; };"
          " add rule inet shop in tcp dport 22 counter drop'");
    EXPECT_EQ(reason(), "none");
    const auto with_rule = [&](const std::string& chain, const std::string& rule) {
        shell(all[0], fmt::format("nft add rule inet shop {} {}", chain, rule));
        const std::string with = reason();
        shell(all[0], fmt::format("nft flush chain inet shop {}", chain));
        return with;
    };
    EXPECT_EQ(with_rule("out", "masquerade"), "nft chain inet shop out (masq): tracked");
    EXPECT_EQ(reason(), "none");
    EXPECT_EQ(with_rule("out", "ip protocol tcp snat ip to 10.0.0.1"),
              "nft chain inet shop out (nat): tracked");
    EXPECT_EQ(with_rule("in", "ip daddr set 10.0.0.7"),
              "nft chain inet shop in (payload write): possible");
    EXPECT_EQ(with_rule("in", "tcp dport 6379 notrack"), "none");
    shell(all[0], "nft add rule inet shop in tcp dport 6379 notrack");
    EXPECT_EQ(with_rule("out", "masquerade"),
              "nft chain inet shop out (masq), and nft chain inet shop in (notrack): possible");
    shell(all[0], "nft flush chain inet shop in");
    EXPECT_EQ(reason(), "none");
}

TEST(KernelNetwork, AMappingOutlivesItsRule) {
    NEEDS_ROOT();
    std::vector<Netns> both = make_joined();
    shell(both[0],
          "nft 'add table ip t; add chain ip t out { type nat hook postrouting priority 100; };"
          " add rule ip t out tcp dport 6379 snat to 10.9.0.77'");
    shell(both[1], "ip addr add 10.9.0.3/24 dev right && ip route add 10.9.0.77 dev right");
    shell(both[0], "ip addr add 10.9.0.77/24 dev left");
    const Descriptor listener = listen_on(both[1], endpoint("10.9.0.2:6379"));
    const Descriptor client = connect_to(both[0], endpoint("10.9.0.2:6379"));
    const Descriptor server = accept_from(listener);
    EXPECT_EQ(remote_of(server).address.text(), "10.9.0.77");
    EXPECT_NE(local_of(client).address.text(), "10.9.0.77");
    // Its entry is found by the packets of either side, and by no others.
    auto table = TrackingTable::open(both[0]);
    ASSERT_TRUE(table);
    for (const Tuple& packets : {tuple_of(client), tuple_of(server)}) {
        const auto found = table->lookup(packets);
        ASSERT_TRUE(found && *found) << packets.local.text();
        EXPECT_EQ((*found)->original, tuple_of(client));
        EXPECT_EQ((*found)->reply, tuple_of(server));
        EXPECT_TRUE((*found)->translated());
        EXPECT_FALSE((*found)->zoned);
        const auto other = table->lookup(packets.mirrored());
        ASSERT_TRUE(other);
        EXPECT_FALSE(*other);
    }
    auto elsewhere = TrackingTable::open(both[1]);
    ASSERT_TRUE(elsewhere);
    const auto nothing = elsewhere->lookup(tuple_of(server));
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(*nothing && (**nothing).translated());
    shell(both[0], "nft flush ruleset");
    const Namespace netns = read(both[0], both);
    EXPECT_EQ(netns.translation, Translation::tracked);
    EXPECT_EQ(netns.translation_reason, "connection tracking holds translated connections");
}

Route route_to(const Netns& netns, const std::string& to) {
    const auto found = find_route(netns, Address::parse(to).value());
    EXPECT_TRUE(found && *found) << to;
    return found && *found ? **found : Route();
}

TEST(KernelNetwork, Routes) {
    NEEDS_ROOT();
    const std::vector<Netns> both = make_joined();
    const Netns& left = both[0];
    const std::uint32_t device = link_named(read(left, both), "left").index;
    for (const std::string to : {"10.9.0.2", "fd09::2"}) {
        const Route route = route_to(left, to);
        EXPECT_FALSE(route.local);
        EXPECT_TRUE(route.plain);
        EXPECT_EQ(route.interface, device);
        EXPECT_EQ(route.gateway, Address());
    }
    EXPECT_TRUE(route_to(left, "10.9.0.1").local);
    EXPECT_TRUE(route_to(left, "127.0.0.1").local);
    EXPECT_TRUE(route_to(left, "fd09::1").local);
    EXPECT_TRUE(route_to(left, "::1").local);

    shell(left, "ip route add 10.20.0.0/16 via 10.9.0.2 && ip route add fd20::/16 via fd09::2");
    shell(left, "ip route add 10.21.0.0/16 via inet6 fd09::2 dev left");
    EXPECT_EQ(route_to(left, "10.20.3.4").gateway.text(), "10.9.0.2");
    EXPECT_EQ(route_to(left, "fd20::1").gateway.text(), "fd09::2");
    EXPECT_EQ(route_to(left, "10.21.3.4").gateway.text(), "fd09::2");
    EXPECT_TRUE(route_to(left, "10.21.3.4").plain);

    shell(left, "ip route add 10.22.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.3");
    shell(left,
          "ip -6 route add fd22::/16 nexthop via fd09::2 dev left nexthop via fd09::3 dev left");
    EXPECT_FALSE(route_to(left, "10.22.0.1").plain);
    EXPECT_FALSE(route_to(left, "fd22::1").plain);

    shell(left, "ip route add blackhole 10.23.0.0/16 && ip route add unreachable 10.24.0.0/16");
    shell(left, "ip route add prohibit 10.25.0.0/16 && ip -6 route add blackhole fd23::/16");
    for (const std::string to :
         {"10.23.0.1", "10.24.0.1", "10.25.0.1", "203.0.113.1", "2001:db8::1", "fd23::1"}) {
        const auto found = find_route(left, *Address::parse(to));
        ASSERT_TRUE(found) << to << found.error().what;
        EXPECT_FALSE(*found) << to;
    }

    shell(left, "ip rule add fwmark 7 lookup 100");
    EXPECT_FALSE(route_to(left, "10.9.0.2").plain);
    EXPECT_TRUE(route_to(left, "fd09::2").plain);
    shell(left,
          "ip rule del fwmark 7 lookup 100 && ip rule add from 10.9.0.1 ipproto 6 lookup main");
    EXPECT_FALSE(route_to(left, "10.9.0.2").plain);
    shell(left, "ip rule del from 10.9.0.1 ipproto 6 lookup main");
    EXPECT_TRUE(route_to(left, "10.9.0.2").plain);
}

TEST(KernelNetwork, Neighbours) {
    NEEDS_ROOT();
    const std::vector<Netns> both = make_joined();
    const Link here = link_named(read(both[0], both), "left");
    const Link there = link_named(read(both[1], both), "right");
    const auto neighbour = [&](const std::string& address) {
        const auto found = find_neighbour(both[0], here.index, *Address::parse(address));
        EXPECT_TRUE(found) << found.error().what;
        return found ? *found : std::nullopt;
    };
    EXPECT_FALSE(neighbour("10.9.0.2"));
    for (const std::string to : {"10.9.0.2", "fd09::2"}) {
        const Descriptor listener = listen_on(both[1], {*Address::parse(to), 6379});
        const Descriptor client = connect_to(both[0], {*Address::parse(to), 6379});
        EXPECT_EQ(neighbour(to), there.hardware_address) << to;
    }
    // Nobody has this address: the entry that asking leaves behind is no neighbour.
    const Descriptor client = connect_to(both[0], endpoint("10.9.0.99:6379"), {}, false);
    EXPECT_FALSE(neighbour("10.9.0.99"));
    shell(both[0], "ip neigh replace 10.9.0.50 lladdr 02:00:00:00:00:50 dev left");
    EXPECT_EQ(neighbour("10.9.0.50"), (std::vector<std::uint8_t>{2, 0, 0, 0, 0, 0x50}));
    shell(both[0], "ip neigh replace 10.9.0.51 lladdr 02:00:00:00:00:51 nud noarp dev left");
    EXPECT_FALSE(neighbour("10.9.0.51"));
}

}  // namespace
}  // namespace connleak::netlink

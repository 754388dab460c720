// Where packets to an address really end: only that makes a peer's absence mean something.
#include <gtest/gtest.h>

#include "diagnosis/connections/path.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::addr;
using test::Device;
using test::World;

// "web" or "?", then what may translate.
std::string way(World& world, NetnsId from, std::string_view to) {
    PathFinder paths(world.sample, world);
    const Path path = paths.find(from, addr(to));
    std::string text = path.end ? world.at(*path.end).name : "? " + path.reason;
    if (path.translation != Translation::none)
        text += path.translation == Translation::possible ? " translated" : " maybe translated";
    return text;
}

constexpr std::string_view out_of_sight = "? the way to 10.0.0.2 leads out of sight";

struct Two {
    World world;
    NetnsId a = world.host("a", "10.0.0.1");
    NetnsId b = world.host("b", "10.0.0.2");
};

TEST(Path, ItsOwnAddresses) {
    Two two;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.1"), "a");
    EXPECT_EQ(way(two.world, two.a, "127.0.0.1"), "a");
    EXPECT_EQ(way(two.world, two.b, "127.0.0.53"), "b");
    EXPECT_EQ(way(two.world, two.b, "::1"), "b");
    two.world.at(two.b).translation = Translation::possible;
    EXPECT_EQ(way(two.world, two.b, "127.0.0.1"), "b translated");
    EXPECT_EQ(way(two.world, 12, "10.0.0.1"), "? the way to 10.0.0.1 leads out of sight");
}

TEST(Path, ACable) {
    Two two;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight) << "no cable, no way";
    two.world.cable(two.a, two.b);
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b");
    EXPECT_EQ(way(two.world, two.b, "10.0.0.1"), "a");
    EXPECT_EQ(way(two.world, two.a, "10.0.0.3"), "? the way to 10.0.0.3 leads out of sight");
    EXPECT_EQ(way(two.world, two.a, "192.0.2.1"), "? no route to 192.0.2.1");
    two.world.link(World::eth0(two.a)).peer_netns.reset();
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight) << "its other end is not in sight";
}

TEST(Path, TheNeighbourEntryKnowsBetterThanTheOwner) {
    Two two;
    const Device bridge = two.world.lan({two.a, two.b});
    const NetnsId newer = two.world.host("newer", "10.0.0.9");
    two.world.plug(bridge, World::eth0(newer));
    two.world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(newer));
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight) << "the address has moved";
    two.world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(two.b));
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b");
}

TEST(Path, APacketProgramOnTheLoopbackDevice) {
    Two two;
    const Device lo = two.world.device(two.a, "lo0", "", "");
    two.world.link(lo).loopback = true;
    EXPECT_EQ(way(two.world, two.a, "127.0.0.1"), "a");
    two.world.link(lo).programmed = true;
    EXPECT_EQ(way(two.world, two.a, "127.0.0.1"), "a translated");
    EXPECT_EQ(way(two.world, two.a, "10.0.0.1"), "a translated");
}

TEST(Path, LinkLocalAddressesMeanSomethingOnOneLinkOnly) {
    Two two;
    two.world.own_address(two.a, "fe80::1");
    two.world.own_address(two.b, "fe80::2");
    two.world.cable(two.a, two.b);
    EXPECT_EQ(way(two.world, two.a, "fe80::2"), "? the route to fe80::2 has more than one way");
}

TEST(Path, ABridgeInItsOwnNamespace) {
    Two two;
    World& world = two.world;
    const Device bridge = world.lan({two.a, two.b});
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b");
    // The bridge's own namespace can have an address on it.
    world.own_address(bridge.netns, "10.0.0.254", bridge.index);
    EXPECT_EQ(way(world, two.a, "10.0.0.254"), world.at(bridge.netns).name);
    EXPECT_EQ(way(world, bridge.netns, "10.0.0.2"), "b");
    // Its rules count only for what it hands to them.
    world.at(bridge.netns).translation = Translation::possible;
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b");
    world.at(bridge.netns).bridge_translates = true;
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b translated") << "br_netfilter";
}

TEST(Path, AnOpenSegmentNeedsTheNeighbour) {
    Two two;
    World& world = two.world;
    const Device bridge = world.lan({two.a, two.b});
    const Device uplink = world.device(bridge.netns, "enp1s0");
    world.link(uplink).master = bridge.index;
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight) << "the address may be behind enp1s0";
    world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(two.b));
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b");
    world.neighbour_is(World::eth0(two.a), "10.0.0.2", uplink);
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight) << "frames go elsewhere";
    world.neighbours.begin()->second.clear();
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight);
}

TEST(Path, APortIntoANamespaceThatIsNotInSightOpensTheSegment) {
    Two two;
    const Device bridge = two.world.lan({two.a, two.b});
    const NetnsId hidden = two.world.host("hidden", "10.0.0.9");
    const Device port = two.world.plug(bridge, World::eth0(hidden));
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b");
    two.world.at(hidden).complete = false;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight) << "it may own the address too";
    two.world.at(hidden).complete = true;
    two.world.link(port).peer_netns.reset();
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight);
}

TEST(Path, ANamespaceThatWasNotReadWholeProvesNothing) {
    Two two;
    two.world.cable(two.a, two.b);
    two.world.at(two.b).complete = false;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"),
              "? a namespace on the way could not be read whole");
}

TEST(Path, TwoOwnersOfAnAddress) {
    Two two;
    World& world = two.world;
    const Device bridge = world.lan({two.a, two.b});
    const NetnsId far = world.host("far", "10.0.0.2");
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b") << "the other is not on the segment";
    world.plug(bridge, World::eth0(far));
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight) << "either could answer";
    world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(far));
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "far");
}

TEST(Path, TheOnlyOwnerInSightIsOnAnotherSegment) {
    Two two;
    const NetnsId neighbour = two.world.host("neighbour", "10.0.0.9");
    two.world.cable(two.b, neighbour);
    const Device uplink = two.world.device(two.a, "enp1s0", "10.0.0.7");
    two.world.routes[{two.a, addr("10.0.0.2")}] = Hop{false, true, uplink.index, {}};
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight);
    two.world.neighbour_is(uplink, "10.0.0.2", World::eth0(two.b));
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight) << "b has no device on that segment";
}

struct Routed {
    World world;
    NetnsId a = world.host("a", "10.0.1.2");
    NetnsId b = world.host("b", "10.0.2.2");
    NetnsId router = world.host("router", "10.0.1.1");
    Device second = world.device(router, "eth1", "10.0.2.1");
    Routed() {
        world.cable(a, router);
        world.cable(World::eth0(b), second);
        world.default_route[a] = {false, true, 2, addr("10.0.1.1")};
        world.default_route[b] = {false, true, 2, addr("10.0.2.1")};
    }
};

TEST(Path, ARouter) {
    Routed net;
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "b");
    PathFinder paths(net.world.sample, net.world);
    std::vector<NetnsId> visited;
    for (const Path::Stop& stop : paths.find(net.a, addr("10.0.2.2")).visited)
        visited.push_back(stop.netns);
    EXPECT_EQ(visited, (std::vector<NetnsId>{net.a, net.router, net.b}));
    EXPECT_EQ(paths.find(net.a, addr("10.0.2.2")).interface, 2U);
    net.world.at(net.router).translation = Translation::unknown;
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "b maybe translated");
    net.world.at(net.b).translation = Translation::possible;
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "b translated");
    EXPECT_EQ(way(net.world, net.a, "10.0.1.1"), "router maybe translated");
}

TEST(Path, OnACableThereIsOnlyTheOtherEnd) {
    // A container's default gateway that nobody owns: its host answers for it (proxy_arp).
    Routed net;
    net.world.default_route[net.a] = {false, true, 2, addr("169.254.1.1")};
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "b");
}

TEST(Path, MoreThanOneWay) {
    Routed net;
    net.world.default_route[net.a].plain = false;  // ECMP, or rules that choose by something else
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "? the route to 10.0.2.2 has more than one way");
    net.world.default_route[net.a] = {false, true, 99, {}};
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "? the route to 10.0.2.2 has more than one way");
    net.world.routes[{net.a, addr("10.0.2.2")}] = std::nullopt;
    EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "? no route to 10.0.2.2");
}

TEST(Path, LoopsEnd) {
    Routed net;
    net.world.default_route[net.router] = {false, true, 2, addr("10.0.1.2")};
    EXPECT_EQ(way(net.world, net.a, "192.0.2.1"), "? the way to 192.0.2.1 leads out of sight");
    PathFinder paths(net.world.sample, net.world);
    EXPECT_EQ(paths.find(net.a, addr("192.0.2.1")).visited.size(), 8U);
}

TEST(Path, PacketProgramsMayTranslate) {
    for (const bool at_the_far_end : {false, true}) {
        Routed net;
        net.world.link(at_the_far_end ? World::eth0(net.b) : net.second).programmed = true;
        EXPECT_EQ(way(net.world, net.a, "10.0.2.2"), "b translated");
        EXPECT_EQ(way(net.world, net.a, "10.0.1.1"), "router");
    }
    Two two;
    const Device bridge = two.world.lan({two.a, two.b});
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b");
    two.world.link(bridge).programmed = true;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b translated");
    two.world.link(bridge).programmed = false;
    two.world.at(bridge.netns).links[2].programmed = true;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), "b translated") << "a port of the bridge";
}

TEST(Path, MacvlansShareASegmentThatLeadsOutOfSight) {
    Two two;
    World& world = two.world;
    const NetnsId host = world.host("host", "10.0.0.100");
    for (const NetnsId each : {two.a, two.b}) {
        Link& link = world.link(World::eth0(each));
        link.kind = "macvlan";
        link.peer_netns = host;
        link.peer_index = 2;
    }
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight);
    world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(two.b));
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), "b");
    world.neighbour_is(World::eth0(two.a), "10.0.0.2", World::eth0(host));
    EXPECT_EQ(way(world, two.a, "10.0.0.2"), out_of_sight) << "somebody else's card";
}

TEST(Path, PortsOfABondOrAVrfAreNotFollowed) {
    Two two;
    two.world.cable(two.a, two.b);
    const Device bond = two.world.device(two.b, "bond0", "", "bond");
    two.world.link(World::eth0(two.b)).master = bond.index;
    EXPECT_EQ(way(two.world, two.a, "10.0.0.2"), out_of_sight);
    EXPECT_EQ(way(two.world, two.b, "10.0.0.1"), "? the way to 10.0.0.1 leads out of sight");
}

TEST(Path, AVlanOverACableIsASegmentOfItsOwn) {
    Two two;
    two.world.cable(two.a, two.b);
    const Device vlan = two.world.device(two.a, "eth0.7", "10.0.7.1", "vlan");
    two.world.link(vlan).peer_index = 2;
    two.world.own_address(two.b, "10.0.7.2");
    EXPECT_EQ(way(two.world, two.a, "10.0.7.2"), "? the way to 10.0.7.2 leads out of sight");
}

}  // namespace
}  // namespace connleak

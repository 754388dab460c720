// The client's host alone: the server is elsewhere, and only its client list tells of its side.
#include <gtest/gtest.h>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;
using test::Pair;
using test::World;

constexpr std::string_view unknown = "unverified [peer-out-of-sight]";
constexpr std::string_view orphan = "orphan [server-not-listing]";
constexpr std::string_view ghost = "ghost [peer-socket-absent]";

struct Remote {
    World world;
    NetnsId web = world.host("web", "10.0.0.2");
    std::size_t redis = world.remote_redis(web, "192.0.2.1:6379");
    Pair pair = world.connect(web, "10.0.0.2:40001", redis);
    ServerAnswer& answer() { return world.answer(redis); }
    Socket& again() { return world.now.at({web, pair.client_tuple}); }
    std::string verdict() { return world.verdict_of(pair); }
};

TEST(RemoteServer, ListsALivingClient) {
    Remote remote;
    EXPECT_EQ(remote.verdict(), "healthy [server-listing]");
    EXPECT_EQ(remote.world.settled, 0);
}

TEST(RemoteServer, ListsItOnlyTheSecondTime) {
    Remote remote;
    remote.answer().clients.clear();
    EXPECT_EQ(remote.verdict(), "healthy [server-listing]") << "it came in between";
}

TEST(RemoteServer, DoesNotListAnOrphan) {
    Remote remote;
    remote.world.unlist(remote.pair);
    EXPECT_EQ(remote.verdict(), orphan);
    EXPECT_EQ(remote.world.settled, 1);
    remote.world.same_server = false;
    EXPECT_EQ(remote.verdict(), unknown) << "two servers behind one address keep two lists";
    remote.world.same_server = true;
    EXPECT_EQ(remote.verdict(), orphan);
    remote.world.lists[remote.redis].reset();
    EXPECT_EQ(remote.verdict(), unknown) << "there is no second list";
}

TEST(RemoteServer, ItsListProvesNothingBehindTranslation) {
    const auto after = [](const auto& change) {
        Remote remote;
        remote.world.unlist(remote.pair);
        change(remote);
        return remote.verdict();
    };
    EXPECT_EQ(after([](Remote& r) { r.answer().own_address_seen = end("10.0.0.2:12345"); }),
              unknown)
        << "masquerading changed our port";
    EXPECT_EQ(after([](Remote& r) { r.answer().own_address_seen = end("192.0.2.99:59999"); }),
              unknown);
    EXPECT_EQ(after([](Remote& r) { r.answer().own_local_seen = end("10.1.1.1:6379"); }), unknown)
        << "a load balancer changed its address";
    EXPECT_EQ(after([](Remote& r) { r.answer().own_local_seen.reset(); }), unknown)
        << "before 6.2: one of several behind the address cannot be excluded";
    EXPECT_EQ(after([](Remote& r) { r.answer().own_address_seen.reset(); }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.answer().own_connection.reset(); }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.answer().clients_complete = false; }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.world.sample.servers[0].asked_from = 5; }), unknown)
        << "asked from another namespace, which has a way of its own";
    EXPECT_EQ(after([](Remote& r) { r.again().info->last_ack_received_ms = 80'000; }), unknown)
        << "heard meanwhile";
    EXPECT_EQ(after([](Remote& r) { r.again().info->last_data_received_ms = 10; }),
              "healthy [recent-traffic]");
    EXPECT_EQ(after([](Remote& r) { r.world.unreadable = {r.web}; }), unknown)
        << "it may have ended meanwhile";
    EXPECT_EQ(after([](Remote& r) { r.again().cookie = 999; }), "nothing");
    EXPECT_EQ(after([](Remote& r) { r.world.now.clear(); }), "nothing");
}

TEST(RemoteServer, AnotherNamespacesClientIsNotProvenByOurConnection) {
    Remote remote;
    const NetnsId other = remote.world.host("other", "10.0.3.3");
    const Pair theirs = remote.world.connect(other, "10.0.3.3:40001", remote.redis, 701);
    EXPECT_EQ(remote.world.verdict_of(theirs), "healthy [server-listing]");
    remote.world.unlist(theirs);
    EXPECT_EQ(remote.world.verdict_of(theirs), unknown);
}

TEST(RemoteServer, TheSameAddressInAnotherNamespaceIsAnotherClient) {
    Remote remote;
    const NetnsId twin = remote.world.host("twin", "10.0.0.2");
    remote.world.unlist(remote.pair);
    remote.world.socket(twin, remote.pair.client_tuple, 701);
    for (const Connection& each : remote.world.report().connections) {
        EXPECT_EQ(test::describe(each), each.client_socket->netns == remote.web ? orphan : unknown);
    }
}

TEST(RemoteServer, ListsAGhostWithOurOwnAddress) {
    Remote remote;
    remote.world.lose_client(remote.pair);
    EXPECT_EQ(remote.verdict(), ghost);
    const Report report = remote.world.report();
    ASSERT_EQ(report.connections.size(), 1U);
    EXPECT_EQ(report.connections[0].last_heard_ms, 90'000);
}

TEST(RemoteServer, ListsAClientOfOurAddressThatMayLive) {
    const auto after = [](const auto& change) {
        Remote remote;
        remote.world.lose_client(remote.pair);
        change(remote);
        return remote.verdict();
    };
    constexpr std::string_view maybe = "unverified [nat-suspected peer-out-of-sight]";
    EXPECT_EQ(after([](Remote& r) {
                  r.world.at(r.web).translation = Translation::possible;  // we translate for others
              }),
              maybe);
    EXPECT_EQ(after([](Remote& r) { r.world.at(r.web).translation = Translation::unknown; }),
              maybe);
    EXPECT_EQ(after([](Remote& r) { r.world.link(World::eth0(r.web)).programmed = true; }), maybe);
    EXPECT_EQ(after([](Remote& r) {
                  r.world.socket(r.web, {end("10.0.0.2:40001"), end("192.0.2.9:6379")}, 700);
              }),
              maybe)
        << "it knows the server by another address";
    EXPECT_EQ(after([](Remote& r) { r.world.host("twin", "10.0.0.2"); }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.answer().own_address_seen = end("10.0.0.2:1"); }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.world.unreadable = {r.web}; }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.world.at(r.web).complete = false; }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.world.lists[r.redis].reset(); }), unknown);
    EXPECT_EQ(after([](Remote& r) { r.world.lists[r.redis]->clear(); }), "nothing")
        << "it has left since";
    EXPECT_EQ(after([](Remote& r) { r.answer().clients[0].idle_s = 3; }), ghost)
        << "absence outranks recency";
}

TEST(RemoteServer, ListsAClientThatTheDumpMissed) {
    Remote remote;
    remote.world.miss(remote.web, remote.pair.client_tuple);
    EXPECT_EQ(remote.verdict(), "healthy [server-listing]");
}

// Between our look at the socket table and its second list a client comes from the very port.
TEST(RemoteServer, ListsAClientThatCameBetweenTheLooks) {
    struct Late : World {
        Pair pair;
        NetnsId web = 0;
        std::optional<bool> listed(std::size_t server, const Endpoint& client) override {
            socket(web, pair.client_tuple, 700);
            return World::listed(server, client);
        }
    } world;
    world.web = world.host("web", "10.0.0.2");
    const std::size_t redis = world.remote_redis(world.web, "192.0.2.1:6379");
    world.pair = world.connect(world.web, "10.0.0.2:40001", redis);
    world.lose_client(world.pair);
    EXPECT_EQ(world.verdict_of(world.pair), "healthy [server-listing]");
}

TEST(RemoteServer, ClientsOfOtherHostsAreJudgedByItsIdleTime) {
    Remote remote;
    const Pair idle = remote.world.connect(0, "10.9.9.9:40001", remote.redis);
    const Pair busy = remote.world.connect(0, "10.9.9.9:40002", remote.redis);
    remote.answer().clients.back().idle_s = 5;
    const Report report = remote.world.report();
    EXPECT_EQ(remote.world.verdict_of(report, idle), unknown);
    EXPECT_EQ(remote.world.verdict_of(report, busy), "healthy [recent-traffic]");
    EXPECT_EQ(remote.world.looks, 0);
}

TEST(RemoteServer, ThatNobodyAskedIsJudgedByTheKernelAlone) {
    World world;
    const NetnsId web = world.host("web", "10.0.0.2");
    Server server;
    server.endpoint = end("192.0.2.1:6379");
    world.sample.servers.push_back(server);
    const Pair idle = world.connect(web, "10.0.0.2:40001", 0);
    EXPECT_EQ(world.verdict_of(idle), unknown);
    world.change_client(idle, [](Socket& each) { each.info->last_ack_received_ms = 3; });
    EXPECT_EQ(world.verdict_of(idle), "healthy [recent-traffic]");
}

}  // namespace
}  // namespace connleak

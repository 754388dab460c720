// Right before an act: what has changed since the plan is seen, whatever it is.
#include "diagnosis/actions/recheck.h"

#include <gtest/gtest.h>

#include "tests/unit/worlds/chaos.h"

namespace connleak {
namespace {

using test::Chaos;
using test::Pair;
using test::World;

struct Planned : World {
    NetnsId server = host("server", "10.0.0.1");
    NetnsId web = host("web", "10.0.0.2");
    Pair pair;
    Socket client;  // as it was
    Report report_;
    Planned() {
        cable(server, web);
        pair = connect(web, "10.0.0.2:40001", redis(server, "10.0.0.1:6379"));
        client = now.at({web, pair.client_tuple});
        lose_client(pair);
        report_ = report();
    }
    Socket& held() { return now.at({server, pair.server_tuple}); }
    std::string becomes(std::int64_t elapsed_ms = 0) {
        const Connection* ghost = &report_.connections.at(0);
        EXPECT_EQ(ghost->verdict, Verdict::ghost);
        const auto changes = recheck(sample, {&ghost, 1}, *this, elapsed_ms);
        return changes[0] == Change::none ? "still a ghost" : std::string(describe(changes[0]));
    }
};

TEST(LookBeforeAct, AGhostThatIsStillOne) {
    Planned world;
    EXPECT_EQ(world.becomes(), "still a ghost");
    world.held().info->last_ack_received_ms += 5'000;
    world.held().info->last_data_received_ms += 5'000;
    EXPECT_EQ(world.becomes(5'000), "still a ghost");
}

TEST(LookBeforeAct, ItsSocketIsGoneClosingOrAnother) {
    Planned world;
    const Socket socket = world.held();
    world.held().state = State::fin_wait_1;
    EXPECT_EQ(world.becomes(), "gone already");
    world.now.erase({world.server, world.pair.server_tuple});
    EXPECT_EQ(world.becomes(), "gone already");
    world.now[{world.server, world.pair.server_tuple}] = socket;
    EXPECT_EQ(world.becomes(), "still a ghost");
    ++world.held().cookie;
    EXPECT_EQ(world.becomes(), "another connection has this address now");
}

TEST(LookBeforeAct, ThePeerIsThereAgain) {
    for (const State state : {State::established, State::syn_sent, State::fin_wait_1}) {
        Planned world;
        Socket& back = world.now[{world.web, world.pair.client_tuple}] = world.client;
        back.state = state;
        EXPECT_EQ(world.becomes(), "the client came back");
    }
}

TEST(LookBeforeAct, ThePeerWasHeardSince) {
    Planned world;
    const std::uint32_t quiet = World::quiet_ms;
    world.held().info->last_ack_received_ms = 100;
    EXPECT_EQ(world.becomes(10'000), "the client came back");
    // Longer ago than when the plan was made, and yet since.
    world.held().info->last_ack_received_ms = quiet + 1'000;
    EXPECT_EQ(world.becomes(10'000), "the client came back");
    world.held().info->last_ack_received_ms = quiet + 10'000;
    world.held().info->last_data_received_ms = quiet + 10'000;
    EXPECT_EQ(world.becomes(10'000), "still a ghost");
}

TEST(LookBeforeAct, WhatCannotBeLookedAtIsNotAGhost) {
    for (const bool its_own_side : {true, false}) {
        Planned world;
        world.unreadable.insert(its_own_side ? world.server : world.web);
        EXPECT_EQ(world.becomes(), "its peer can no longer be looked for");
    }
    // A translated socket from the same port.
    Planned world;
    Socket other = world.client;
    other.tuple.remote = test::end("192.0.2.9:6379");
    world.now[{world.web, other.tuple}] = other;
    EXPECT_EQ(world.becomes(), "its peer can no longer be looked for");
}

TEST(LookBeforeAct, WhatAProbeHasProvenNeedsNoPeerInSight) {
    Planned world;
    world.report_.connections[0].evidence.clear();
    world.unreadable.insert(world.web);
    EXPECT_EQ(world.becomes(), "still a ghost");
    world.held().info->last_ack_received_ms = 100;
    EXPECT_EQ(world.becomes(10'000), "the client came back");
    ++world.held().cookie;
    EXPECT_EQ(world.becomes(), "another connection has this address now");
}

TEST(LookBeforeAct, ARowOfAServerElsewhere) {
    World away;
    const NetnsId web = away.host("web", "10.0.0.2");
    const std::size_t remote = away.remote_redis(web, "192.0.2.1:6379");
    ServerAnswer& answer = away.answer(remote);
    answer.own_connection = Tuple{test::end("10.0.0.2:50000"), test::end("192.0.2.1:6379")};
    answer.own_address_seen = answer.own_connection->local;
    answer.own_local_seen = answer.own_connection->remote;
    const Pair pair = away.connect(web, "10.0.0.2:40001", remote);
    const Socket client = away.now.at({web, pair.client_tuple});
    away.lose_client(pair);
    const Report report = away.report();
    const Connection* ghost = &report.connections.at(0);
    ASSERT_EQ(ghost->verdict, Verdict::ghost);
    const auto look = [&] { return recheck(away.sample, {&ghost, 1}, away, 0)[0]; };
    EXPECT_EQ(look(), Change::none);
    away.now[{web, pair.client_tuple}] = client;
    EXPECT_EQ(look(), Change::came_back);
    away.now.erase({web, pair.client_tuple});
    away.lists[remote]->clear();
    EXPECT_EQ(look(), Change::gone);
    away.lists[remote].reset();
    EXPECT_EQ(look(), Change::unknown);
}

// Whatever the world has become in the meantime, what is acted on is dead.
TEST(LookBeforeAct, InAnyWorldNothingThatLivesIsActedOn) {
    std::mt19937_64 random(7);
    std::uint64_t acted = 0;
    std::uint64_t left = 0;
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        Chaos world(seed, seed % 2 == 0);
        const auto before = world.now;
        const Report report = world.report();
        std::vector<const Connection*> ghosts;
        for (const Connection& each : report.connections)
            if (each.verdict == Verdict::ghost && each.server_socket != nullptr)
                ghosts.push_back(&each);
        std::vector<bool> changed;
        for (const Connection* ghost : ghosts) {
            const Socket& held = *ghost->server_socket;
            changed.push_back(random() % 2 == 0);
            if (!changed.back()) continue;
            Socket& now = world.now[{held.netns, held.tuple}];
            switch (random() % 4) {
                case 0:
                    world.now.erase({held.netns, held.tuple});
                    break;
                case 1:
                    now.cookie += 5'000'000;
                    break;
                case 2:
                    now.state = State::close_wait;
                    break;
                default:
                    now.info->last_ack_received_ms = now.info->last_data_received_ms = 1;
                    break;
            }
        }
        const auto changes = recheck(world.sample, ghosts, world, 0);
        ASSERT_EQ(changes.size(), ghosts.size());
        for (std::size_t at = 0; at < ghosts.size(); ++at) {
            if (changed[at]) {
                ASSERT_NE(changes[at], Change::none) << seed;
            }
            ++(changes[at] == Change::none ? acted : left);
        }
    }
    EXPECT_GT(left, 200U);
    EXPECT_GT(acted, 200U);
}

}  // namespace
}  // namespace connleak

// The first law: a live connection is never called ghost or orphan. Held against thousands of
// random worlds; and where everything is in sight, the dead are found, every one.
#include <gtest/gtest.h>

#include "tests/unit/worlds/chaos.h"

namespace connleak {
namespace {

using test::Chaos;

std::string shown(const Connection& each) {
    std::string text =
        test::describe(each) + ' ' + each.server_end.text() + " <- " + each.client_end.text();
    for (const auto& [name, side] :
         {std::pair{", server ", each.server_socket}, {", client ", each.client_socket}})
        if (side != nullptr)
            text += name + std::to_string(side->netns) + '/' + std::to_string(side->cookie);
    return text;
}

TEST(FirstLaw, NoLivingConnectionIsCalledDead) {
    std::uint64_t dead = 0;
    std::uint64_t connections = 0;
    for (std::uint64_t seed = 1; seed <= 6000; ++seed) {
        Chaos world(seed, false);
        const Report report = world.report();
        std::set<Chaos::Socket1> sides;
        for (const Connection& each : report.connections) {
            ++connections;
            dead += each.verdict == Verdict::ghost || each.verdict == Verdict::orphan;
            ASSERT_FALSE(world.falsely_dead(each)) << "seed " << seed << ": " << shown(each);
            for (const Socket* side : {each.server_socket, each.client_socket}) {
                if (side == nullptr) continue;
                ASSERT_TRUE(sides.insert({side->netns, side->cookie}).second)
                    << "seed " << seed << ": a socket in two rows: " << shown(each);
            }
        }
    }
    // The worlds are not so dim that nothing is ever found.
    EXPECT_GT(connections, 40'000U);
    EXPECT_GT(dead, 2'000U);
}

TEST(FirstLaw, WithAPerfectViewTheDeadAreFoundAndTheLivingSeen) {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Chaos world(seed, true);
        const Report report = world.report();
        std::set<Chaos::Socket1> ghosts;
        std::set<Chaos::Socket1> orphans;
        std::set<Chaos::Socket1> healthy;
        for (const Connection& each : report.connections) {
            ASSERT_FALSE(world.falsely_dead(each)) << "seed " << seed << ": " << shown(each);
            for (const Socket* side : {each.server_socket, each.client_socket}) {
                if (side == nullptr) continue;
                const Chaos::Socket1 key{side->netns, side->cookie};
                if (each.verdict == Verdict::ghost) ghosts.insert(key);
                if (each.verdict == Verdict::orphan) orphans.insert(key);
                if (each.verdict == Verdict::healthy) healthy.insert(key);
            }
        }
        for (const auto& key : world.dead_at_client)
            ASSERT_TRUE(ghosts.contains(key) || !world.dumped(key)) << seed << '/' << key.second;
        for (const auto& key : world.dead_at_server)
            ASSERT_TRUE(orphans.contains(key)) << seed << '/' << key.second;
        for (const auto& key : world.living)
            ASSERT_TRUE(healthy.contains(key) || !world.dumped(key)) << seed << '/' << key.second;
    }
}

}  // namespace
}  // namespace connleak

// The words of reap and protect, how they end, and what keepalive is set to.
#include <gtest/gtest.h>

#include "actions/protect.h"
#include "cli/act/options.h"
#include "cli/status.h"

namespace connleak::cli {
namespace {

TEST(ReapOptions, Words) {
    const auto plain = parse_reap_options({});
    ASSERT_TRUE(plain);
    EXPECT_FALSE(plain->yes);
    EXPECT_FALSE(plain->most);
    EXPECT_EQ(plain->method, MethodChoice::automatic);
    const auto full = parse_reap_options(
        {":6379", "--method", "destroy", "--max=7", "--yes", "--json", "--netns", "web"});
    ASSERT_TRUE(full);
    EXPECT_TRUE(full->yes);
    EXPECT_EQ(full->most, 7U);
    EXPECT_EQ(full->method, MethodChoice::destroy);
    EXPECT_EQ(full->format, Format::json);
    EXPECT_EQ(full->targets.size(), 1U);
    EXPECT_EQ(parse_reap_options({"--method", "kill"})->method, MethodChoice::kill);
    for (const std::vector<std::string>& bad :
         std::vector<std::vector<std::string>>{{"--max", "0"},
                                               {"--max", "-1"},
                                               {"--max", "99999999999999999999"},
                                               {"--method", "x"},
                                               {"--yes=1"},
                                               {"--server"}}) {
        const auto made = parse_reap_options(bad);
        ASSERT_FALSE(made) << bad.front();
        EXPECT_EQ(made.error().status, 2);
    }
}

TEST(ProtectOptions, Words) {
    const auto plain = parse_protect_options({});
    ASSERT_TRUE(plain);
    EXPECT_FALSE(plain->yes);
    EXPECT_FALSE(plain->keepalive_s);
    EXPECT_FALSE(plain->server);
    EXPECT_EQ(plain->rate, 2'000);
    const auto full =
        parse_protect_options({"--keepalive", "5m", "--server", "--rate", "9", "--yes"});
    ASSERT_TRUE(full);
    EXPECT_EQ(full->keepalive_s, 300);
    EXPECT_TRUE(full->server && full->yes);
    EXPECT_EQ(full->rate, 9);
    EXPECT_EQ(parse_protect_options({"--keepalive", "32767"})->keepalive_s, 32'767);
    for (const char* bad : {"0", "32768", "1d", "x", ""}) {
        const auto made = parse_protect_options({"--keepalive", bad});
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().status, 2);
    }
}

TEST(Status, OfAVerbThatActs) {
    Plan plan;
    EXPECT_EQ(status_of(plan, false), 0) << "nothing to do";
    plan.actions.resize(3);
    EXPECT_EQ(status_of(plan, false), 0) << "a plan";
    for (Action& each : plan.actions) each.end(Outcome::done);
    EXPECT_EQ(status_of(plan, false), 0);
    plan.actions[0].end(Outcome::skipped, "gone already");
    EXPECT_EQ(status_of(plan, false), 0);
    EXPECT_EQ(status_of(plan, true), 1);
    plan.actions[1].end(Outcome::failed, "EPERM");
    EXPECT_EQ(status_of(plan, false), 1);
    for (Action& each : plan.actions) each.end(Outcome::failed, "EPERM");
    EXPECT_EQ(status_of(plan, false), 3);
    Plan none;
    none.actions.resize(1);
    none.actions[0].planned = false;
    EXPECT_EQ(status_of(none, false), 3);
}

using probes::KeepaliveSettings;

TEST(TurnedOn, AsRedisDoesIt) {
    const KeepaliveSettings fresh{false, 7200, 75, 9, 0};
    EXPECT_EQ(actions::turned_on(fresh, 300, 0), (KeepaliveSettings{true, 300, 100, 3, 0}));
    EXPECT_EQ(actions::turned_on(fresh, 1, 0), (KeepaliveSettings{true, 1, 1, 3, 0}));
    EXPECT_EQ(actions::turned_on(fresh, 2, 0), (KeepaliveSettings{true, 2, 1, 3, 0}));
    EXPECT_TRUE(actions::turned_on(fresh, 32'767, 0)->writable());
    const KeepaliveSettings own{false, 7200, 75, 9, 30'000};
    EXPECT_EQ(actions::turned_on(own, 300, 0)->user_timeout_ms, 30'000U) << "stays its owner's";
}

TEST(TurnedOn, ProbesThatWentUnansweredBeforeCloseNothing) {
    const KeepaliveSettings fresh{false, 7200, 75, 9, 0};
    EXPECT_EQ(actions::turned_on(fresh, 300, 1)->count, 4);
    EXPECT_EQ(actions::turned_on(fresh, 300, 124)->count, 127);
    EXPECT_FALSE(actions::turned_on(fresh, 300, 125));
    EXPECT_FALSE(actions::turned_on(fresh, 300, 255));
    const KeepaliveSettings own{false, 7200, 75, 9, 30'000};
    EXPECT_FALSE(actions::turned_on(own, 300, 1))
        << "a user timeout closes after any unanswered probe";
}

}  // namespace
}  // namespace connleak::cli

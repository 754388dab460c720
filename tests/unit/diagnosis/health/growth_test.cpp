// Growth over several runs, and the file that remembers them.
#include "diagnosis/health/growth.h"

#include <gtest/gtest.h>

#include <random>

#include "cli/check/history.h"
#include "tests/unit/worlds/reports.h"

namespace connleak {
namespace {

const GroupKey key{"10.9.0.1:6379", "worker.service"};

CountedRun run(std::int64_t at_s, std::uint64_t count, const GroupKey& of = key) {
    CountedRun made;
    made.at_s = at_s;
    if (count > 0) made.counts[of] = count;
    return made;
}

// Runs every `step_s`; the last is the present one.
Growth growth(const std::vector<std::uint64_t>& counts, std::int64_t step_s = 300) {
    History history;
    for (std::size_t at = 0; at + 1 < counts.size(); ++at)
        remember(history, run(1'000'000 + std::int64_t(at) * step_s, counts[at]));
    const auto last = run(1'000'000 + std::int64_t(counts.size() - 1) * step_s, counts.back());
    return fastest_growth(history, last).value_or(Growth{});
}

TEST(Growth, AFirstRunKnowsNothing) {
    EXPECT_FALSE(fastest_growth({}, run(1, 5)));
}

TEST(Growth, AClimbAddsUpAndAJumpIsOverAtTheNextRun) {
    EXPECT_EQ(growth({5, 5}).gained, 0U);
    EXPECT_EQ(growth({5, 25}).gained, 20U);
    EXPECT_EQ(growth({5, 25, 25}).gained, 0U);
    EXPECT_EQ(growth({5, 5, 5, 25}).gained, 20U);
    EXPECT_EQ(growth({5, 7, 9, 11}).gained, 6U);
    EXPECT_EQ(growth({5, 7, 9, 11}).runs, 3U);
    EXPECT_EQ(growth({5, 7, 9, 11}).lasted_s, 900);
    EXPECT_EQ(growth({9, 7, 5}).gained, 0U);
}

TEST(Growth, WhatComesBackIsNoGrowth) {
    EXPECT_EQ(growth({80, 0, 80}).gained, 0U);
    EXPECT_EQ(growth({80, 0, 20, 60, 80}).gained, 0U);
    EXPECT_EQ(growth({80, 0, 60, 85}).gained, 5U);
}

TEST(Growth, ANewGroupGrowsFromNothing) {
    EXPECT_EQ(growth({0, 30}).gained, 30U);
}

TEST(Growth, NoiseIsHardlyAny) {
    std::mt19937 random(7);
    std::uniform_int_distribution<std::uint64_t> any(70, 90);
    for (int turn = 0; turn < 200; ++turn) {
        std::vector<std::uint64_t> counts;
        for (int at = 0; at < 60; ++at) counts.push_back(any(random));
        EXPECT_LE(growth(counts).gained, 10U);
    }
}

TEST(Growth, ASlowLeakShowsByTheHour) {
    // One more every third run: no two runs in a row grow.
    std::vector<std::uint64_t> counts;
    for (std::uint64_t at = 0; at < 72; ++at) counts.push_back(50 + at / 3);
    const Growth slow = growth(counts);
    EXPECT_GE(slow.gained, 15U);
    EXPECT_GE(slow.runs, 3U);
    // And a jump among as many runs does not.
    counts.assign(72, 50);
    for (std::size_t at = 40; at < counts.size(); ++at) counts[at] = 90;
    EXPECT_EQ(growth(counts).gained, 0U);
}

TEST(Growth, AClockThatGoesBackIsNoMatter) {
    History history;
    std::int64_t at_s = 1'000'000'000;
    for (std::uint64_t turn = 0; turn < 200; ++turn) {
        at_s += turn % 17 == 0 ? -500'000 : 4'000;
        const CountedRun now = run(at_s, 10 + turn);
        if (const auto found = fastest_growth(history, now)) {
            EXPECT_GT(found->gained, 0U);
            EXPECT_GE(found->lasted_s, 0);
        }
        remember(history, now);
        EXPECT_LE(history.size(), recent_runs + hourly_runs);
    }
}

TEST(Growth, TheFastestIsNamed) {
    CountedRun before = run(1, 10);
    CountedRun now = run(2, 12);
    const GroupKey other{"10.9.0.1:6379", "php-fpm: pool shop"};
    before.counts[other] = 40;
    now.counts[other] = 45;
    const auto found = fastest_growth({before}, now);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->who, other);
    EXPECT_EQ(found->gained, 5U);
    EXPECT_EQ(found->now, 45U);
}

TEST(Growth, OnlyTheLargestGroupsAreKept) {
    CountedRun many;
    many.at_s = 1;
    for (std::uint64_t at = 1; at <= 2'000; ++at)
        many.counts[{"server", "group " + std::to_string(at)}] = at;
    History history;
    remember(history, many);
    EXPECT_LE(history[0].counts.size(), most_groups);
    EXPECT_EQ(history[0].count({"server", "group 2000"}), 2'000U);
    // What was left out may have had that many: no growth is made of it.
    EXPECT_EQ(history[0].count({"server", "group 3"}), history[0].floor);
    const auto found = fastest_growth(history, run(2, 900, {"server", "group 900"}));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->gained, 0U);
}

TEST(Growth, GroupsAndHostsAreCounted) {
    test::Made world(test::story);
    const CountedRun counted = count_groups(world.sample, world.report(), 7);
    EXPECT_EQ(counted.at_s, 7);
    EXPECT_EQ(counted.count({"10.9.0.1:6379", "php-fpm: pool shop"}), 80U);
    EXPECT_EQ(counted.count({"10.9.0.1:6379", "worker.service"}), 4U);
    EXPECT_EQ(counted.count({"10.9.0.1:6379", "host 10.9.0.17"}), 1'120U);
}

// ---------------------------------------------------------------- the document

History some_history() {
    History history;
    for (int at = 0; at < 20; ++at) {
        CountedRun made = run(1'000'000 + at * 4'000, std::uint64_t(at));
        made.counts[{"s", "g\xc3\xa4 \"quoted\" \\"}] = 3;
        remember(history, made);
    }
    return history;
}

TEST(State, IsReadAsItWasWritten) {
    const History history = some_history();
    const auto again = cli::decode_history(cli::encode_history(history));
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(*again, history);
    EXPECT_TRUE(cli::decode_history("")->empty());
    EXPECT_TRUE(cli::decode_history(cli::encode_history({}))->empty());
}

TEST(State, EveryBeginningOfItIsDamaged) {
    const std::string text = cli::encode_history(some_history());
    for (std::size_t size = 1; size + 1 < text.size(); ++size)
        EXPECT_FALSE(cli::decode_history(text.substr(0, size))) << size;
}

TEST(State, WhateverIsInItIsRefusedOrBounded) {
    const std::string text = cli::encode_history(some_history());
    std::mt19937 random(3);
    for (int turn = 0; turn < 20'000; ++turn) {
        std::string changed = text;
        for (int each = 0; each < 3; ++each)
            changed[random() % changed.size()] = static_cast<char>(random() % 256);
        const auto decoded = cli::decode_history(changed);
        if (!decoded) {
            EXPECT_FALSE(decoded.error().empty());
            continue;
        }
        EXPECT_LE(decoded->size(), recent_runs + hourly_runs);
        const auto found = fastest_growth(*decoded, run(2'000'000, 5));
        EXPECT_GE(found.value_or(Growth{}).lasted_s, 0);
    }
}

TEST(State, ForeignDocuments) {
    for (const std::string_view text :
         {"null", "[]", "{}", "7", "\"x\"", "not json",
          "\x7f"
          "ELF\x02\x01",
          "{\"kind\":\"other\"}", "{\"kind\":\"connleak-check-state\"}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":2}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":3,\"runs\":[],\"groups\":[]}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":1,\"runs\":3,\"groups\":[]}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":1,\"runs\":[{\"at_s\":-1,"
          "\"floor\":0}],\"groups\":[]}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":1,\"runs\":[{\"at_s\":1e99,"
          "\"floor\":0}],\"groups\":[]}",
          "{\"kind\":\"connleak-check-state\",\"schema_version\":1,\"runs\":[],\"groups\":[{"
          "\"server\":\"\",\"group\":\"\",\"connections\":[1]}]}"})
        EXPECT_FALSE(cli::decode_history(text)) << text;
    EXPECT_FALSE(cli::decode_history(std::string(1'000'000, '[')));
    EXPECT_FALSE(cli::decode_history(std::string(cli::largest_state + 1, ' ')));
}

TEST(State, TheFirstVersionIsReadAsWell) {
    const History history{run(1'000'000, 5)};
    std::string text = cli::encode_history(history);
    const std::string_view now = "\"schema_version\":2";
    const std::size_t at = text.find(now);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, now.size(), "\"schema_version\":1");
    const auto read = cli::decode_history(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(cli::encode_history(*read), cli::encode_history(history));
}

}  // namespace
}  // namespace connleak

// What a timeout would do: whom Redis closes, whom it spares, and the value that harms nobody.
#include "diagnosis/actions/what_if.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/what_if/options.h"
#include "cli/what_if/render.h"
#include "tests/unit/worlds/reports.h"

namespace connleak {
namespace {

using test::Made;
using test::World;

std::vector<WhatIf> ask(World& world, const std::vector<std::int64_t>& timeouts_s) {
    const Report report = world.report();
    return what_if(world.sample, report, timeouts_s);
}

std::uint64_t of(const VerdictCounts& counts, Verdict verdict) {
    return counts[static_cast<std::size_t>(verdict)];
}

// Clients of one server, each with an idle time; those named are ghosts.
struct Idle {
    std::int64_t idle_s;
    std::optional<Exempt> exempt = std::nullopt;
    bool ghost = false;
};

struct Clients : World {
    Clients(std::initializer_list<Idle> rows) {
        const NetnsId server = host("", "10.9.0.1");
        const NetnsId web = host("web", "10.9.0.2");
        cable(server, web);
        const std::size_t its = redis(server, "10.9.0.1:6379", 812);
        process(900, "worker.service", web, GroupKind::unit);
        int port = 40'000;
        for (const Idle& each : rows) {
            const auto pair = connect(web, "10.9.0.2:" + std::to_string(++port), its, 900);
            ServerClient& row = answer(its).clients.back();
            row.idle_s = each.idle_s;
            row.exempt = each.exempt;
            if (each.ghost) lose_client(pair);
        }
    }
};

TEST(WhatIf, ClosesThoseThatAreIdleForLongerWithinASecond) {
    Clients world({{99}, {100}, {101}, {500, std::nullopt, true}, {0}});
    const auto answers = ask(world, {100, 600});
    ASSERT_EQ(answers.size(), 1U);
    const auto& candidates = answers[0].candidates;
    ASSERT_EQ(candidates.size(), 2U);
    EXPECT_EQ(candidates[0].timeout_s, 100);
    EXPECT_EQ(candidates[0].closes, 3U);
    EXPECT_EQ(of(candidates[0].verdict, Verdict::healthy), 2U);
    EXPECT_EQ(of(candidates[0].verdict, Verdict::ghost), 1U);
    EXPECT_EQ(candidates[1].closes, 0U);
    EXPECT_TRUE(candidates[1].whose.empty());
    EXPECT_EQ(answers[0].clients, 5U);
    EXPECT_EQ(answers[0].smallest_harmless_s, 102);
}

TEST(WhatIf, TheSmallestHarmlessValueClosesNoneThatMayBeAlive) {
    for (const std::int64_t most : {0, 1, 59, 7'200}) {
        Clients world({{most}, {most / 2}, {most + 1'000, std::nullopt, true}});
        const std::int64_t value = ask(world, {1})[0].smallest_harmless_s;
        const auto answers = ask(world, {value, value - 1});
        EXPECT_EQ(answers[0].candidates[0].closes, 1U) << most;
        EXPECT_EQ(of(answers[0].candidates[0].verdict, Verdict::ghost), 1U) << most;
        if (value > 1) {
            EXPECT_EQ(of(answers[0].candidates[1].verdict, Verdict::healthy), 1U) << most;
        }
    }
    Clients ghosts({{50, std::nullopt, true}});
    EXPECT_EQ(ask(ghosts, {1})[0].smallest_harmless_s, 1);
}

TEST(WhatIf, SomeAreNeverTimedOut) {
    Clients world({{900, Exempt::replica},
                   {900, Exempt::monitor},
                   {900, Exempt::monitor},
                   {900, Exempt::blocked},
                   {900, Exempt::subscriber},
                   {900, Exempt::blocked},
                   {10, Exempt::subscriber},
                   {900}});
    const auto answers = ask(world, {600});
    const TimeoutCandidate& candidate = answers[0].candidates[0];
    EXPECT_EQ(candidate.closes, 1U);
    EXPECT_EQ(candidate.exempt_total(), 6U);
    const auto exempt = [&](Exempt why) { return candidate.exempt[static_cast<std::size_t>(why)]; };
    EXPECT_EQ(exempt(Exempt::replica), 1U);
    EXPECT_EQ(exempt(Exempt::monitor), 2U);
    EXPECT_EQ(exempt(Exempt::blocked), 2U);
    EXPECT_EQ(exempt(Exempt::subscriber), 1U);
    EXPECT_EQ(answers[0].smallest_harmless_s, 901);
}

TEST(WhatIf, EveryClientIsInOneRangeOfTheDistribution) {
    Clients world(
        {{0}, {9}, {10}, {59}, {60}, {604'800}, {1'000'000'000}, {70, Exempt::subscriber}});
    const auto answers = ask(world, {});
    std::uint64_t total = 0;
    std::int64_t next = 0;
    for (const IdleRange& range : answers[0].idle) {
        EXPECT_EQ(range.from_s, next);
        next = range.below_s.value_or(-1);
        for (const std::uint64_t count : range.verdict) total += count;
        total += range.exempt;
    }
    EXPECT_EQ(next, -1);
    EXPECT_EQ(total, 8U);
    EXPECT_EQ(of(answers[0].idle.back().verdict, Verdict::healthy), 2U);
}

TEST(WhatIf, AServerThatDidNotTellItsClientsIsLeftOut) {
    Made world(test::refused);
    EXPECT_TRUE(ask(world, {60}).empty());
}

TEST(WhatIf, TableOfTheStory) {
    Made world(test::story);
    const auto answers = ask(world, {86'400, 43'200, 7'200, 10});
    const std::string text = render::what_if_table(world.sample, answers, false);
    const std::string file = TEST_DATA "/golden/what-if.txt";
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (std::getenv("CONNLEAK_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << text;
    std::ostringstream golden;
    golden << std::ifstream(file).rdbuf();
    EXPECT_EQ(text, golden.str());
}

TEST(WhatIfOptions, Timeouts) {
    using cli::parse_what_if_options;
    EXPECT_EQ(parse_what_if_options({})->timeouts_s,
              (std::vector<std::int64_t>{86'400, 43'200, 21'600, 7'200, 3'600}));
    EXPECT_EQ(
        parse_what_if_options({":6379", "--timeout", "1d,90,90s", "--timeout=2h"})->timeouts_s,
        (std::vector<std::int64_t>{86'400, 90, 7'200}));
    for (const char* bad : {"", "0", "1d,", "x", "-1", "1d 2h", "99999999999999999999"}) {
        const auto made = parse_what_if_options({"--timeout", bad});
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().status, 2);
        EXPECT_TRUE(made.error().text.starts_with("--timeout")) << made.error().text;
    }
}

}  // namespace
}  // namespace connleak

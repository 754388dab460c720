// check's words and its output, whole: tests/golden/check-*.txt.
#include "cli/check/lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "cli/check/options.h"
#include "cli/render/text.h"
#include "tests/unit/worlds/chaos.h"
#include "tests/unit/worlds/golden.h"
#include "tests/unit/worlds/reports.h"

namespace connleak {
namespace {

using test::expect_golden;
using test::Made;
using test::World;

std::string output(World& world, const Rules& rules = default_rules(), int verbosity = 0,
                   std::vector<std::string> notes = {}) {
    const Report report = world.report();
    const Measures measures = measure(world.sample, report);
    const Health health = judge_health(world.sample, measures, rules);
    return render::to_check(
        {world.sample, report, measures, rules, health, std::move(notes), verbosity});
}

TEST(Check, WholeOutputs) {
    Made story(test::story);
    expect_golden("check-story", output(story));
    Made healthy(test::healthy);
    expect_golden("check-healthy", output(healthy, default_rules(), 1));
    Made refused(test::refused);
    expect_golden("check-refused", output(refused));
    Made gaps(test::gaps);
    Rules strict = default_rules();
    strict.strict = true;
    expect_golden("check-gaps", output(gaps));
    expect_golden("check-gaps-strict", output(gaps, strict));
    Made hostile(test::hostile);
    expect_golden("check-hostile", output(hostile, default_rules(), 2));
    Made client_host(test::client_host);
    expect_golden("check-client-host", output(client_host));
    World nothing;
    nothing.netns("");
    expect_golden("check-nothing", output(nothing));
}

// What a monitoring system relies on, whatever the names are.
void expect_plugin_output(const std::string& text, const std::string& begin) {
    const std::string first = text.substr(0, text.find('\n'));
    const std::size_t bar = first.find(" | ");
    ASSERT_NE(bar, std::string::npos) << text;
    const std::string told = first.substr(0, bar);
    EXPECT_TRUE(told.starts_with(begin)) << told;
    EXPECT_LT(render::width(told), 80U) << told;
    EXPECT_LT(std::ranges::count_if(told, [](char c) { return (c & 0xc0) != 0x80; }), 80) << told;
    EXPECT_EQ(std::ranges::count(text, '|'), 1) << text;
    for (const char c : text)
        EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) << text;
    std::istringstream data(first.substr(bar + 3));
    std::size_t count = 0;
    for (std::string word; data >> word; ++count) {
        EXPECT_TRUE(word.starts_with(connleak::to_string(static_cast<Metric>(count)))) << word;
        EXPECT_EQ(std::ranges::count(word, ';'), 3) << word;
    }
    EXPECT_EQ(count, metric_count);
}

TEST(Check, NamesThatTryToBreakOut) {
    for (const std::string name :
         {"a|b", "x | ghosts=0;0;0;0", "\n CONNLEAK OK: ", "\x1b[2J", "\xff\xfe", "\xe2\x80\xae",
          "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "\xe6\xbc\xa2\xe5\xad\x97"}) {
        std::string longer;
        while (longer.size() < 400) longer += name;
        for (const std::string& evil : {name, longer}) {
            Made world(test::each_verdict);
            for (auto& [pid, process] : world.sample.processes.by_pid) process.group = evil;
            world.answer(0).asked = true;
            world.answer(0).reachable = false;
            world.answer(0).error = evil;
            world.sample.gaps.push_back({"netns", evil, evil, evil});
            world.sample.servers[0].path = "/run/" + evil;
            Rules rules;
            for (std::size_t at = 0; at < metric_count; ++at)
                rules.of[at] = {*parse_range("@~:"), std::nullopt};
            expect_plugin_output(output(world, rules, 2, {evil}), "CONNLEAK CRITICAL: ");
            world.answer(0).reachable = true;
            expect_plugin_output(output(world, rules, 1, {evil}), "CONNLEAK WARNING: ");
            EXPECT_LT(render::width(render::check_line(Level::unknown, evil)), 81U);
            EXPECT_EQ(std::ranges::count(render::check_line(Level::unknown, evil), '|'), 0);
        }
    }
}

TEST(Check, ManyProblemsStayOneLine) {
    Made world(test::refused);
    for (int port = 7'000; port < 7'100; ++port) {
        Server server = world.sample.servers[0];
        server.endpoint.port = static_cast<std::uint16_t>(port);
        world.sample.servers.push_back(server);
    }
    const std::string text = output(world);
    expect_plugin_output(text, "CONNLEAK CRITICAL: 10.9.0.1:6379 refuses clients");
    EXPECT_TRUE(text.substr(0, text.find('|')).contains("101 more")) << text.substr(0, 100);
    EXPECT_LT(text.size(), 32'000U);
}

TEST(Check, RandomWorlds) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        test::Chaos world(seed, seed % 3 == 0);
        Rules rules = default_rules();
        rules.strict = seed % 2 == 0;
        expect_plugin_output(output(world, rules, 1), "CONNLEAK ");
    }
}

// ---------------------------------------------------------------- options

using Arguments = std::vector<std::string>;

cli::CheckOptions options(const Arguments& arguments) {
    auto made = cli::parse_check_options(arguments);
    if (made) return *made;
    ADD_FAILURE() << made.error().text;
    return {};
}

std::string refused(const Arguments& arguments) {
    const auto made = cli::parse_check_options(arguments);
    if (made) return "taken";
    EXPECT_NE(made.error().status, 0);
    EXPECT_FALSE(made.error().text.contains('\n'));
    return made.error().text;
}

TEST(CheckOptions, Defaults) {
    const auto made = options({});
    EXPECT_TRUE(made.targets.empty());
    EXPECT_FALSE(made.rules.named || made.rules.strict || made.quiet || made.version);
    EXPECT_TRUE(made.rules.judges(Metric::ghosts));
    EXPECT_FALSE(made.rules.judges(Metric::group_growth));
    EXPECT_TRUE(options({"--state", "f"}).rules.judges(Metric::group_growth));
    EXPECT_EQ(made.timeout, std::chrono::seconds(10));
    EXPECT_EQ(made.connect_timeout, std::chrono::seconds(2));
}

TEST(CheckOptions, OnlyWhatIsNamedIsJudged) {
    const auto made = options({"-w", "ghosts=0", "-c", "ghosts=100", "--warning=suspects=@1:5",
                               "--critical", "clients_used_percent=90", ":6379"});
    EXPECT_TRUE(made.rules.named);
    EXPECT_EQ(made.rules[Metric::ghosts].warning->text(), "0");
    EXPECT_EQ(made.rules[Metric::ghosts].critical->text(), "100");
    EXPECT_EQ(made.rules[Metric::suspects].warning->text(), "@1:5");
    EXPECT_FALSE(made.rules[Metric::suspects].critical);
    EXPECT_FALSE(made.rules.judges(Metric::orphans));
    ASSERT_EQ(made.targets.size(), 1U);
}

TEST(CheckOptions, HostAndPort) {
    const auto target = [](const Arguments& arguments) {
        const auto made = options(arguments);
        return made.targets.size() == 1
                   ? made.targets[0].host + ' ' + std::to_string(made.targets[0].port)
                   : std::to_string(made.targets.size()) + " targets";
    };
    EXPECT_EQ(target({"-H", "10.0.0.1"}), "10.0.0.1 6379");
    EXPECT_EQ(target({"-H", "10.0.0.1", "-p", "6380"}), "10.0.0.1 6380");
    EXPECT_EQ(target({"-H", "redis.example", "--port", "6380"}), "redis.example 6380");
    EXPECT_EQ(target({"-H", "2001:db8::1", "-p", "7"}), "2001:db8::1 7");
    EXPECT_EQ(target({"-H", "[2001:db8::1]"}), "2001:db8::1 6379");
    EXPECT_EQ(target({"-p", "6380"}), " 6380");
    EXPECT_EQ(target({"-H", "10.0.0.1", ":7000"}), "2 targets");
    EXPECT_EQ(options({"--port", "7000"}).targets.size(), 0U);
    EXPECT_EQ(options({"-vv", "-v"}).verbosity, 3);
}

TEST(CheckOptions, WhatIsWrong) {
    EXPECT_TRUE(refused({"-w", "ghost=0"}).contains("unknown metric 'ghost'; there are ghosts "));
    EXPECT_TRUE(refused({"-w", "ghosts"}).contains("write METRIC=RANGE"));
    EXPECT_TRUE(
        refused({"-c", "ghosts=20:10"}).contains("-c ghosts: the range '20:10' begins above"));
    EXPECT_TRUE(refused({"-c", "ghosts="}).contains("is empty"));
    EXPECT_TRUE(refused({"-w", "group_growth=5"}).contains("--state"));
    EXPECT_TRUE(refused({"--state", ""}).contains("--state"));
    EXPECT_TRUE(refused({"-t", "0"}).contains("--timeout"));
    EXPECT_TRUE(refused({"-t", "soon"}).contains("duration"));
    EXPECT_TRUE(refused({"-H", ""}).contains("-H"));
    EXPECT_TRUE(refused({"-H", "10.0.0.1:6379"}).contains("-H"));
    EXPECT_NE(refused({"-p", "0"}), "taken");
    EXPECT_NE(refused({"--json"}), "taken");
    EXPECT_NE(refused({"-w"}), "taken");
    EXPECT_TRUE(refused({"-w", "\x1b[2J=0"}).contains("\\x1b"));
}

TEST(CheckOptions, HelpTellsEveryMetric) {
    const auto made = cli::parse_check_options({"-h"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().status, 0);
    for (std::size_t at = 0; at < metric_count; ++at)
        EXPECT_TRUE(made.error().text.contains(to_string(static_cast<Metric>(at))));
}

}  // namespace
}  // namespace connleak

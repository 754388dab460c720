// The report for people, whole: tests/golden/*.txt.
#include "cli/report/table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/render/text.h"
#include "tests/unit/worlds/golden.h"
#include "tests/unit/worlds/reports.h"

namespace connleak::render {
namespace {

using test::expect_golden;
using test::Made;
using test::World;

std::string table(World& world, TableStyle style = {}) {
    const Report report = world.report();
    return to_table(world.sample, report, style);
}

TEST(Table, TheStory) {
    Made world(test::story);
    expect_golden("story", table(world));
    expect_golden("story-80-columns", table(world, {.columns = 80}));
    expect_golden("story-colour", table(world, {.color = true}));
}

TEST(Table, EachConnection) {
    Made world(test::each_verdict);
    expect_golden("connections", table(world, {.columns = 160, .connections = true}));
    expect_golden("connections-80-columns", table(world, {.columns = 80, .connections = true}));
}

TEST(Table, AHealthyIdleServer) {
    Made world(test::healthy);
    expect_golden("healthy", table(world));
    expect_golden("healthy-connections", table(world, {.columns = 80, .connections = true}));
}

TEST(Table, AServerThatRefusesNewClients) {
    Made world(test::refused);
    expect_golden("refused", table(world));
}

TEST(Table, TheClientsHostAlone) {
    Made world(test::client_host);
    expect_golden("client-host", table(world));
}

TEST(Table, WhatCouldNotBeSeen) {
    Made world(test::gaps);
    expect_golden("gaps", table(world));
}

TEST(Table, Proxies) {
    Made world(test::proxies);
    expect_golden("proxies", table(world));
    expect_golden("proxies-connections", table(world, {.columns = 160, .connections = true}));
}

TEST(Table, HostileNames) {
    Made world(test::hostile);
    const std::string text = table(world, {.connections = true});
    expect_golden("hostile", text);
    for (const char c : text)
        EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
}

TEST(Table, NothingIsThere) {
    World world;
    world.netns("");
    expect_golden("nothing", table(world, {.columns = 80}));
}

// Lines of a command are for copying: they may be longer than the screen.
bool of_a_command(const std::string& line) {
    for (const char* part :
         {"connleak ", "jq ", "select(", "redis-cli ", "while read", "ps -o", "prlimit "})
        if (line.contains(part)) return true;
    return false;
}

TEST(Table, NoLineIsWiderThanTheScreen) {
    for (const auto make : {test::story, test::healthy, test::refused, test::each_verdict,
                            test::client_host, test::gaps, test::hostile, test::proxies}) {
        Made world(make);
        const Report report = world.report();
        const bool large = report.connections.size() > 100;
        for (std::size_t columns = 80; columns <= 200; columns += large ? 20 : 1) {
            std::istringstream text(
                to_table(world.sample, report, {.columns = columns, .connections = true}));
            for (std::string line; std::getline(text, line);) {
                if (of_a_command(line)) continue;
                ASSERT_LE(width(line), columns) << line;
                ASSERT_FALSE(line.ends_with(' ')) << '"' << line << '"';
            }
        }
    }
}

TEST(Table, ColourChangesNothingElse) {
    for (const auto make : {test::each_verdict, test::healthy, test::hostile}) {
        Made world(make);
        std::string colored = table(world, {.color = true, .connections = true});
        EXPECT_TRUE(colored.contains("\x1b["));
        for (std::size_t at = colored.find('\x1b'); at != std::string::npos;
             at = colored.find('\x1b', at))
            colored.erase(at, colored.find('m', at) + 1 - at);
        EXPECT_EQ(colored, table(world, {.connections = true}));
    }
}

TEST(Table, TakesAnyWidthAs80To200) {
    Made world(test::story);
    EXPECT_EQ(table(world, {.columns = 0}), table(world, {.columns = 80}));
    EXPECT_EQ(table(world, {.columns = 5'000}), table(world, {.columns = 200}));
}

}  // namespace
}  // namespace connleak::render

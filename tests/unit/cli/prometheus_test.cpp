// The report for Prometheus, whole: tests/golden/*.prom. That real consumers take it is the subject
// of tests/hosts/verbs/test_prometheus.py.
#include "cli/report/prometheus.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/unit/worlds/golden.h"
#include "tests/unit/worlds/reports.h"

namespace connleak::render {
namespace {

using test::expect_golden;
using test::Made;
using test::World;

RunFacts took(double wall_ms) {
    RunFacts head;
    head.generated_at_s = 1'795'214'155;
    head.wall_ms = wall_ms;
    return head;
}

std::string text_of(World& world, const RunFacts& head = {}) {
    const Report report = world.report();
    return to_prometheus(head, world.sample, report);
}

// The lines of one metric, without its name.
std::vector<std::string> samples(const std::string& text, const std::string& metric) {
    std::vector<std::string> found;
    std::istringstream all(text);
    for (std::string line; std::getline(all, line);)
        if (line.starts_with(metric + '{') || line.starts_with(metric + ' '))
            found.push_back(line.substr(metric.size()));
    return found;
}

using Lines = std::vector<std::string>;

TEST(Prometheus, TheStory) {
    Made world(test::story);
    expect_golden("story", text_of(world, took(412.5)), ".prom");
}

TEST(Prometheus, TheClientsHostAlone) {
    Made world(test::client_host);
    expect_golden("client-host", text_of(world), ".prom");
}

TEST(Prometheus, NothingIsThere) {
    World world;
    world.netns("");
    const std::string text = text_of(world, took(8));
    EXPECT_EQ(samples(text, "connleak_scan_complete"), Lines{" 1"});
    EXPECT_EQ(samples(text, "connleak_scan_duration_seconds"), Lines{" 0.008"});
    EXPECT_EQ(samples(text, "connleak_scan_timestamp_seconds"), Lines{" 1795214155"});
    EXPECT_EQ(std::ranges::count(text, '\n'), 9);
}

TEST(Prometheus, AGapMakesTheScanIncomplete) {
    Made world(test::gaps);
    EXPECT_EQ(samples(text_of(world), "connleak_scan_complete"), Lines{" 0"});
}

TEST(Prometheus, UpIsOfServersThatWereAsked) {
    Made world(test::refused);
    const std::string refused = text_of(world);
    EXPECT_EQ(samples(refused, "connleak_up"), Lines{R"({server="10.9.0.1:6379"} 0)"});
    EXPECT_EQ(samples(refused, "connleak_clients"), Lines{});
    World other;
    other.tcp(other.host("", "10.9.0.1"), "10.9.0.1:9092");
    const std::string silent = text_of(other);
    EXPECT_EQ(samples(silent, "connleak_up"), Lines{});
    EXPECT_EQ(samples(silent, "connleak_connections").size(), verdict_count);
    EXPECT_EQ(samples(silent, "connleak_keepalive_connections").size(), keepalive_count);
}

// A server out of sight that refuses has no connection that could be counted.
TEST(Prometheus, AFindingIsNever0) {
    World world;
    const std::size_t redis = world.remote_redis(world.host("", "10.9.0.17"), "10.9.0.1:6379");
    world.answer(redis) = {};
    world.answer(redis).asked = world.answer(redis).refused_at_limit = true;
    ASSERT_EQ(world.report().findings.at(0).count, 0U);
    EXPECT_EQ(samples(text_of(world), "connleak_findings"),
              Lines{R"({server="10.9.0.1:6379",code="server-refuses-clients",)"
                    R"(severity="critical"} 1)"});
}

TEST(Prometheus, TheLimitIsTheOneInForce) {
    Made world(test::healthy);
    world.sample.servers[0].fd_limit = 1'024;
    EXPECT_EQ(samples(text_of(world), "connleak_clients_limit"),
              Lines{R"({server="0.0.0.0:6379"} 992)"});
}

TEST(Prometheus, AServerByPathHasItsPath) {
    World world;
    world.redis(world.host("", "10.9.0.1"), "10.9.0.1:6379");
    world.sample.servers[0].path = "/run/re\"dis\\.sock";
    EXPECT_EQ(samples(text_of(world), "connleak_up"), Lines{R"({server="/run/re\"dis\\.sock"} 1)"});
}

TEST(Prometheus, PortsAreAShareOfTheRange) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    EXPECT_EQ(samples(text_of(world), "connleak_ephemeral_ports_used_ratio"), Lines{});
    world.at(web).port_range_low = 40'000;
    world.at(web).port_range_high = 40'099;
    for (int port = 40'000; port < 40'007; ++port)
        world.connect(web, "10.0.0.2:" + std::to_string(port), redis);
    world.own_address(web, "10.0.0.3");
    for (int port = 40'000; port < 40'003; ++port)
        world.connect(web, "10.0.0.3:" + std::to_string(port), redis);
    EXPECT_EQ(samples(text_of(world), "connleak_ephemeral_ports_used_ratio"),
              Lines{R"({server="10.0.0.1:6379"} 0.07)"});
    world.at(web).port_range_high = 0;
    EXPECT_EQ(samples(text_of(world), "connleak_ephemeral_ports_used_ratio"), Lines{});
}

TEST(Prometheus, TheSameAddressOnSeveralHosts) {
    World world;
    const NetnsId own = world.host("", "10.9.0.1");
    const NetnsId web1 = world.host("web1", "10.9.0.2");
    const NetnsId unnamed = world.host("", "10.9.0.3");
    world.redis(web1, "0.0.0.0:6379", 501);
    world.redis(own, "0.0.0.0:6379", 502);
    world.redis(unnamed, "0.0.0.0:6379", 503);
    world.redis(unnamed, "0.0.0.0:6380", 504);
    world.redis(unnamed, "0.0.0.0:6379", 505);  // SO_REUSEPORT
    EXPECT_EQ(
        samples(text_of(world), "connleak_up"),
        (Lines{R"({server="0.0.0.0:6379"} 1)", R"({server="0.0.0.0:6379",netns="4026531842"} 1)",
               R"({server="0.0.0.0:6379",netns="4026531842",copy="2"} 1)",
               R"({server="0.0.0.0:6379",netns="web1"} 1)", R"({server="0.0.0.0:6380"} 1)"}));
}

TEST(Prometheus, GroupsAreBoundedAndTheRestIsSummed) {
    World world;
    const NetnsId server = world.host("", "10.9.0.1");
    const std::size_t redis = world.redis(server, "10.9.0.1:6379");
    int port = 30'000;
    const auto holds = [&](std::int32_t pid, const std::string& name, int connections) {
        world.process(pid, name, server);
        for (; connections > 0; --connections)
            world.connect(server, "10.9.0.1:" + std::to_string(++port), redis, pid);
    };
    holds(1'000, "the smallest", 1);
    for (int group = 0; group < 49; ++group) holds(2'000 + group, "g" + std::to_string(group), 3);
    EXPECT_EQ(samples(text_of(world), "connleak_group_connections").size(), 50U);
    holds(3'000, "other", 2);
    holds(3'001, "other", 2);
    holds(4'000, "zz", 1);
    const std::string text = text_of(world);
    const Lines connections = samples(text, "connleak_group_connections");
    const Lines workers = samples(text, "connleak_group_workers");
    ASSERT_EQ(connections.size(), 51U);
    const std::string rest = R"-({server="10.9.0.1:6379",group="(all other groups)"} )-";
    EXPECT_EQ(connections.front(), rest + '2');
    EXPECT_EQ(workers.front(), rest + '2');
    const std::string other = R"({server="10.9.0.1:6379",group="other"} )";
    EXPECT_EQ(connections.back(), other + '4');
    EXPECT_EQ(workers.back(), other + '2');
}

TEST(Prometheus, HostileNames) {
    World world;
    const NetnsId server = world.host("", "10.9.0.1");
    const std::size_t redis = world.redis(server, "10.9.0.1:6379");
    int port = 30'000;
    const auto holds = [&](std::int32_t pid, const std::string& name) {
        world.process(pid, name, server);
        world.connect(server, "10.9.0.1:" + std::to_string(++port), redis, pid);
    };
    holds(900, "\\n\"} 1\nconnleak_up 7");
    holds(901, "broken\xff");
    holds(902, "broken\xfe");  // the same in UTF-8: one series
    holds(903, "\xe4\xb8\xad\xf0\x9f\x90\x98");
    EXPECT_EQ(samples(text_of(world), "connleak_group_connections"),
              (Lines{R"({server="10.9.0.1:6379",group="\\n\"} 1\nconnleak_up 7"} 1)",
                     "{server=\"10.9.0.1:6379\",group=\"broken\xef\xbf\xbd\"} 2",
                     "{server=\"10.9.0.1:6379\",group=\"\xe4\xb8\xad\xf0\x9f\x90\x98\"} 1"}));
}

TEST(Prometheus, NoTwoSamplesAreAlikeAndEachMetricIsDeclared) {
    for (const auto make : {test::story, test::healthy, test::refused, test::each_verdict,
                            test::client_host, test::gaps, test::hostile}) {
        Made world(make);
        const std::string text = text_of(world);
        EXPECT_TRUE(text.ends_with('\n'));
        EXPECT_EQ(text, text_of(world));
        std::istringstream all(text);
        std::set<std::string> seen;
        std::string declared;
        for (std::string line; std::getline(all, line);) {
            EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
            if (line.starts_with("# TYPE ")) {
                declared = line.substr(7, line.find(' ', 7) - 7);
            } else if (!line.starts_with('#')) {
                EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), declared);
            }
        }
    }
}

}  // namespace
}  // namespace connleak::render

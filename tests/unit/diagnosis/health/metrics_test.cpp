// What check measures, and what it concludes from it.
#include "diagnosis/health/metrics.h"

#include <gtest/gtest.h>

#include "diagnosis/health/health.h"
#include "tests/unit/worlds/reports.h"

namespace connleak {
namespace {

using test::Made;
using test::World;
using enum Metric;

Measures measures_of(World& world) {
    return measure(world.sample, world.report());
}

// "ghosts suspects": the metrics that something may hide something of.
std::string hidden(const Measures& measures) {
    std::string told;
    for (std::size_t at = 0; at < metric_count; ++at) {
        const auto metric = static_cast<Metric>(at);
        for (const Blind& each : measures.blind) {
            if (!each.hides(metric)) continue;
            told += (told.empty() ? "" : " ") + std::string(to_string(metric));
            break;
        }
    }
    return told;
}

// "critical 10.9.0.1:6379 refuses …; warning 3 ghosts …"
std::string describe(const Health& health) {
    std::string text;
    for (const Problem& each : health.problems)
        text += (text.empty() ? "" : "; ") + std::string(to_string(each.level)) + ' ' + each.text +
                each.place;
    return text;
}

std::string judged(World& world, const Rules& rules = default_rules()) {
    return describe(judge_health(world.sample, measures_of(world), rules));
}

Rules only(Metric metric, std::string_view warning, std::string_view critical = "") {
    Rules rules;
    rules.named = true;
    if (!warning.empty()) rules[metric].warning = *parse_range(warning);
    if (!critical.empty()) rules[metric].critical = *parse_range(critical);
    return rules;
}

TEST(Metric, Words) {
    for (std::size_t at = 0; at < metric_count; ++at) {
        const auto metric = static_cast<Metric>(at);
        EXPECT_EQ(parse_metric(to_string(metric)), metric);
    }
    for (const char* text : {"", "ghost", "Ghosts", "ghosts ", "close-wait", "clients_used"})
        EXPECT_FALSE(parse_metric(text)) << text;
}

TEST(Measure, TheStory) {
    Made world(test::story);
    const Measures measures = measures_of(world);
    EXPECT_EQ(measures[ghosts].value, 1'212);
    EXPECT_EQ(measures[ghosts].worst, "10.9.0.1:6379");
    EXPECT_EQ(measures[clients_used_percent].value, 98.7);
    EXPECT_EQ(measures[keepalive_off].value, 1'295);
    EXPECT_EQ(measures[per_process_max].value, 2);
    EXPECT_EQ(measures[ports_used_percent].value, 0.2);  // 80 of 28,232
    EXPECT_EQ(measures[group_growth].value, std::nullopt);
    EXPECT_EQ(hidden(measures), "");
}

TEST(Measure, EachVerdict) {
    Made world(test::each_verdict);
    const Measures measures = measures_of(world);
    for (const Metric metric : {ghosts, orphans, suspects, close_wait, unaccepted})
        EXPECT_EQ(measures[metric].value, 1) << to_string(metric);
    EXPECT_EQ(measures[per_process_max].worst, "worker.service, pid 900");
}

TEST(Measure, AHealthyServer) {
    Made world(test::healthy);
    const Measures measures = measures_of(world);
    for (const Metric metric : {ghosts, orphans, suspects, close_wait, unaccepted, keepalive_off})
        EXPECT_EQ(measures[metric].value, 0) << to_string(metric);
    EXPECT_EQ(measures[clients_used_percent].value, 0);
    EXPECT_EQ(judged(world), "");
}

TEST(Measure, NothingIsThere) {
    World world;
    world.netns("");
    const Measures measures = measures_of(world);
    EXPECT_EQ(measures[ghosts].value, 0);
    EXPECT_EQ(measures[clients_used_percent].value, std::nullopt);
    EXPECT_EQ(hidden(measures), "");
    EXPECT_EQ(judged(world), "");
    EXPECT_EQ(judged(world, only(clients_used_percent, "80")), "");
}

TEST(Measure, WhatALoginWouldHaveShown) {
    Made world(test::healthy);
    ServerAnswer& answer = world.answer(0);
    const auto own = answer.own_connection;
    answer = {};
    answer.own_connection = own;
    answer.asked = answer.reachable = true;
    answer.error = "NOAUTH Authentication required.";
    world.sample.gaps.push_back({"redis", world.sample.servers[0].endpoint.text(), "NOAUTH",
                                 "all that the server itself knows"});
    EXPECT_EQ(hidden(measures_of(world)), "ghosts suspects orphans clients_used_percent");
    EXPECT_EQ(measures_of(world)[clients_used_percent].value, std::nullopt);
    EXPECT_EQ(judged(world), "");
    Rules strict = default_rules();
    strict.strict = true;
    EXPECT_EQ(judged(world, strict),
              "UNKNOWN not seen whole: ghosts, suspects, orphans, clients_used_percent");
    EXPECT_EQ(judged(world, only(clients_used_percent, "80")),
              "UNKNOWN not known: clients_used_percent");
    EXPECT_EQ(judged(world, only(ghosts, "0")), "");
}

TEST(Measure, EachKindOfGapHidesItsOwnMetrics) {
    const auto hides = [](Gap gap) {
        Made world(test::healthy);
        world.sample.gaps.push_back(std::move(gap));
        return hidden(measures_of(world));
    };
    const std::string sockets =
        "ghosts suspects orphans close_wait unaccepted keepalive_off ports_used_percent "
        "per_process_max group_growth";
    EXPECT_EQ(hides({"netns", "3 processes", "EPERM", "x"}), sockets);
    EXPECT_EQ(hides({"netlink", "web1", "EPERM", "x"}), sockets);
    EXPECT_EQ(hides({"proc", "pid 3", "EACCES", "x"}), "suspects per_process_max group_growth");
    EXPECT_EQ(hides({"proc", "/proc", "hidepid=2", "x"}), "suspects per_process_max group_growth");
    EXPECT_EQ(hides({"proc", "/etc/php/fpm.conf", "EACCES", "x"}), "");
    EXPECT_EQ(hides({"conntrack", "web1", "EPERM", "x"}), "ghosts orphans");
    EXPECT_EQ(hides({"redis", "10.0.0.9:1", "EPERM", "x"}),
              "ghosts suspects orphans clients_used_percent");
}

TEST(Measure, AServerThatWasNotAskedIsSaid) {
    Made world(test::client_host);
    const Measures measures = measures_of(world);
    EXPECT_EQ(hidden(measures), "ghosts suspects orphans clients_used_percent");
    ASSERT_EQ(measures.blind.size(), 2U);
    EXPECT_TRUE(measures.blind[0].what.contains("TARGET"));
}

TEST(Measure, SeveralServersCountTogether) {
    Made world(test::each_verdict);
    const NetnsId web = world.sample.namespaces[1].id;
    const std::size_t other = world.redis(world.sample.namespaces[0].id, "10.9.0.1:6380", 813);
    world.answer(other).connected_clients = 50;
    world.answer(other).maxclients = 100;
    for (int port = 50'001; port < 50'004; ++port)
        world.lose_client(world.connect(web, "10.9.0.17:" + std::to_string(port), other, 900));
    const Measures measures = measures_of(world);
    EXPECT_EQ(measures[ghosts].value, 4);
    EXPECT_EQ(measures[ghosts].worst, "10.9.0.1:6380");
    EXPECT_EQ(measures[clients_used_percent].value, 50);
    EXPECT_EQ(measures[clients_used_percent].worst, "10.9.0.1:6380");
}

TEST(Health, ThresholdsDecide) {
    Made world(test::each_verdict);
    EXPECT_EQ(judged(world, only(ghosts, "0")), "WARNING 1 ghost at 10.9.0.1:6379");
    EXPECT_EQ(judged(world, only(ghosts, "1", "2")), "");
    EXPECT_EQ(judged(world, only(ghosts, "", "0")), "CRITICAL 1 ghost at 10.9.0.1:6379");
    EXPECT_EQ(judged(world, only(ghosts, "0", "0")), "CRITICAL 1 ghost at 10.9.0.1:6379");
    EXPECT_EQ(judged(world, only(ghosts, "@1:1")), "WARNING 1 ghost at 10.9.0.1:6379");
    EXPECT_EQ(judged(world, only(ghosts, "5:")), "WARNING 1 ghost at 10.9.0.1:6379");
    EXPECT_EQ(judged(world, only(per_process_max, "3")),
              "WARNING 4 connections of worker.service, pid 900");
}

TEST(Health, TheWorstComesFirst) {
    Made world(test::refused);
    EXPECT_EQ(judged(world),
              "CRITICAL 10.9.0.1:6379 refuses clients; "
              "CRITICAL 1,212 ghosts at 10.9.0.1:6379");
}

TEST(Health, AServerThatRefusesOrIsAwayIsCriticalWhateverIsNamed) {
    Made world(test::refused);
    Rules rules = only(close_wait, "100");
    rules.strict = true;
    EXPECT_EQ(judged(world, rules), "CRITICAL 10.9.0.1:6379 refuses clients");
    world.answer(0).refused_at_limit = false;
    world.answer(0).error = "Connection refused";
    EXPECT_EQ(judged(world, rules),
              "CRITICAL 10.9.0.1:6379 cannot be reached (Connection refused)");
}

TEST(Health, UnknownOutranksAWarningOnly) {
    Made world(test::refused);
    world.answer(0).refused_at_limit = false;
    world.answer(0).reachable = true;
    Rules rules = only(ghosts, "0");
    EXPECT_EQ(judge_health(world.sample, measures_of(world), rules).level, Level::warning);
    rules.strict = true;
    EXPECT_EQ(judge_health(world.sample, measures_of(world), rules).level, Level::unknown);
    rules[ghosts].critical = *parse_range("1000");
    EXPECT_EQ(judge_health(world.sample, measures_of(world), rules).level, Level::critical);
}

TEST(Health, ATcpServiceThatNobodyListensFor) {
    World world;
    const NetnsId host = world.host("", "10.9.0.1");
    world.tcp(host, "10.9.0.1:9092");
    EXPECT_EQ(judged(world), "");
    EXPECT_EQ(hidden(measures_of(world)), "");
    world.sample.servers[0].listening.clear();
    EXPECT_EQ(judged(world), "CRITICAL 10.9.0.1:9092 cannot be reached (nothing listens there)");
    // Packets may go on to another host.
    world.sample.namespaces[0].translation = Translation::possible;
    EXPECT_EQ(judged(world), "");
    EXPECT_EQ(hidden(measures_of(world)), "ghosts suspects orphans");
}

}  // namespace
}  // namespace connleak

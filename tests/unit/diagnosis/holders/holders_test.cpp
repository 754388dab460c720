// Who holds the connections, by process and by group.
#include <gtest/gtest.h>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::Pair;
using test::World;

struct Lan {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    NetnsId web = world.host("web", "10.0.0.2");
    std::size_t redis = 0;
    int port = 40'000;
    Lan() {
        world.cable(server, web);
        redis = world.redis(server, "10.0.0.1:6379");
    }
    Pair connect(std::int32_t pid) {
        return world.connect(web, "10.0.0.2:" + std::to_string(++port), redis, pid);
    }
    // A second process, or a second descriptor, of the same socket.
    void share(const Pair& pair, std::int32_t pid) {
        auto& owners =
            world.sample.processes.owners[world.seen(pair.client_netns, pair.client_tuple).inode];
        owners.push_back({pid, 33});
        std::ranges::sort(owners);
    }
};

std::string optional(std::optional<std::int64_t> value) {
    return value ? std::to_string(*value) : "?";
}

std::string holders(const Report& report) {
    std::string text;
    for (const Holder& each : report.holders)
        text += std::to_string(each.pid) + ": " + std::to_string(each.connections) + " of which " +
                std::to_string(each.persistent) + " persistent, " +
                std::to_string(each.close_wait) + " close-wait, " +
                std::to_string(each.keepalive_off) + " without keepalive, oldest " +
                optional(each.oldest_s) + ", idle " + optional(each.idle_max_s) + '\n';
    return text;
}

std::string groups(const Report& report) {
    std::string text;
    for (const Group& each : report.groups) {
        text += each.name + " (" + std::string(to_string(each.kind)) +
                "): " + std::to_string(each.workers) + " workers, " +
                std::to_string(each.connections) + " connections, " +
                std::to_string(each.persistent) + " persistent, at most " +
                std::to_string(each.per_worker_max) + " each, " +
                std::to_string(each.duplicate_workers) + " with two";
        if (each.max_workers)
            text += ", " + std::to_string(*each.projected_connections) + " when " +
                    std::to_string(*each.max_workers);
        text += '\n';
    }
    return text;
}

TEST(Holders, ByProcessAndByGroup) {
    Lan lan;
    lan.world.process(700, "worker.service", lan.web, GroupKind::unit);
    lan.world.process(701, "worker.service", lan.web, GroupKind::unit);
    lan.world.process(702, "php", lan.web);
    lan.connect(700);
    const Pair young = lan.connect(701);
    lan.world.answer(lan.redis).clients.back().age_s = 59;
    lan.world.answer(lan.redis).clients.back().idle_s = 2;
    lan.connect(701);
    lan.connect(702);
    lan.world.change_client(lan.connect(702), [](Socket& each) { each.state = State::close_wait; });
    lan.connect(702);
    lan.world.change_server(young, [](Socket& each) { each.timer.kind = TimerKind::keepalive; });
    const Report report = lan.world.report();
    EXPECT_EQ(holders(report),
              "702: 3 of which 2 persistent, 1 close-wait, 3 without keepalive, oldest 100, idle "
              "90\n"
              "701: 2 of which 1 persistent, 0 close-wait, 1 without keepalive, oldest 100, idle "
              "90\n"
              "700: 1 of which 1 persistent, 0 close-wait, 1 without keepalive, oldest 100, idle "
              "90\n");
    EXPECT_EQ(groups(report),
              "php (executable): 1 workers, 3 connections, 2 persistent, at most 3 each, 1 with "
              "two\n"
              "worker.service (unit): 2 workers, 3 connections, 2 persistent, at most 2 each, 0 "
              "with two\n");
    EXPECT_EQ(report.connections[0].group, "worker.service");
}

TEST(Holders, AForkSharesASocket) {
    Lan lan;
    lan.world.process(700, "parent", lan.web);
    lan.world.process(701, "child", lan.web).start_time += 1'000;
    for (int count = 0; count < 3; ++count) {
        const Pair pair = lan.connect(700);
        lan.share(pair, 701);
        lan.share(pair, 700);  // and twice in one process
    }
    const Report report = lan.world.report();
    ASSERT_EQ(report.holders.size(), 2U);
    EXPECT_EQ(report.holders[0].connections, 3U);
    EXPECT_EQ(report.holders[1].connections, 3U);
    EXPECT_EQ(groups(report),
              "parent (executable): 2 workers, 3 connections, 3 persistent, at most 3 each, 2 with "
              "two\n")
        << "the connections are those of the one that had them first, and counted once";
}

TEST(Holders, PhpFpmPools) {
    Lan lan;
    for (std::int32_t pid = 700; pid < 704; ++pid) {
        lan.world.process(pid, "php-fpm: pool www", lan.web, GroupKind::php_fpm_pool);
        lan.connect(pid);
        if (pid < 702) lan.connect(pid);
    }
    auto& pools = lan.world.sample.processes.pools;
    pools = {{"www", 600, 5, 50}, {"api", 600, 9, 7}};
    EXPECT_EQ(groups(lan.world.report()),
              "php-fpm: pool www (php-fpm-pool): 5 workers, 6 connections, 6 persistent, at most 2 "
              "each, 2 with two, 100 when 50\n")
        << "the fifth holds none";
    pools.push_back({"www", 601, 2, 10});
    EXPECT_EQ(groups(lan.world.report()),
              "php-fpm: pool www (php-fpm-pool): 7 workers, 6 connections, 6 persistent, at most 2 "
              "each, 2 with two, 120 when 60\n")
        << "two masters";
    pools.back().max_children.reset();
    EXPECT_EQ(groups(lan.world.report()),
              "php-fpm: pool www (php-fpm-pool): 7 workers, 6 connections, 6 persistent, at most 2 "
              "each, 2 with two\n")
        << "a configuration that cannot be read";
}

TEST(Holders, OneProcessAndSeveralServers) {
    Lan lan;
    const std::size_t second = lan.world.redis(lan.server, "10.0.0.1:6380", 501);
    lan.connect(700);
    lan.world.connect(lan.web, "10.0.0.2:50000", second, 700);
    const Report report = lan.world.report();
    ASSERT_EQ(report.holders.size(), 2U);
    EXPECT_EQ(report.holders[0].server, 0U);
    EXPECT_EQ(report.holders[1].server, 1U);
    EXPECT_EQ(report.groups.size(), 2U);
}

TEST(Holders, WhoIsNotVisibleHoldsNothing) {
    Lan lan;
    const Pair hidden = lan.connect(700);
    lan.world.sample.processes.owners.erase(lan.world.seen(lan.web, hidden.client_tuple).inode);
    lan.connect(701);
    lan.world.sample.processes.by_pid.erase(701);
    const Pair time_wait = lan.connect(702);
    lan.world.change_client(time_wait, [](Socket& each) {
        each.inode = 0;
        each.state = State::time_wait;
    });
    const Report report = lan.world.report();
    EXPECT_EQ(holders(report) + groups(report), "");
    for (const Connection& each : report.connections) EXPECT_EQ(each.group, "");
}

TEST(Holders, AgeIsTheServersFigureOrWhatTheSocketsRemember) {
    Lan lan;
    lan.connect(700);
    Report report = lan.world.report();
    EXPECT_EQ(report.connections[0].age_s, 100);
    lan.world.answer(lan.redis).clients.clear();
    lan.world.answer(lan.redis).clients_complete = false;
    lan.world.sample.sockets[1].info->last_data_sent_ms = 123'456;
    report = lan.world.report();
    EXPECT_EQ(report.connections[0].age_s, 123);
    // A handshake's figures count from the host's start.
    for (Socket& each : lan.world.sample.sockets) each.state = State::syn_sent;
    EXPECT_EQ(lan.world.report().connections[0].age_s, std::nullopt);
    for (Socket& each : lan.world.sample.sockets) each.state = State::established;
    for (Socket& each : lan.world.sample.sockets) each.info.reset();
    report = lan.world.report();
    EXPECT_EQ(report.connections[0].age_s, std::nullopt);
    EXPECT_EQ(report.holders[0].persistent, 0U) << "what is not known is not counted";
}

}  // namespace
}  // namespace connleak

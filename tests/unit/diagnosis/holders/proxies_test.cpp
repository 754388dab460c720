// Who is behind the proxies among the holders, and what of it reaches the findings.
#include "diagnosis/holders/proxies.h"

#include <gtest/gtest.h>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;
using test::Pair;
using test::World;

// web has a haproxy (pid 600) before the Redis of server, and clients of it.
struct Front {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    NetnsId web = world.host("web", "10.0.0.2");
    std::size_t redis = 0;
    std::uint32_t inode = 900'000;
    int port = 40'000;
    Front() {
        world.cable(server, web);
        redis = world.redis(server, "10.0.0.1:6379");
        world.process(600, "haproxy", web);
        world.sample.proxies.push_back(
            {600, ProxySign::traffic, true, true, {{web, end("10.0.0.2:6380")}}, {}});
    }
    Proxy& proxy() { return world.sample.proxies.back(); }
    Pair upstream(std::size_t to = 0) {
        return world.connect(web, "10.0.0.2:" + std::to_string(++port), to, 600);
    }
    // A client of the proxy; of a process that is in sight, where `pid` is not 0.
    ProxyClient& client(std::string_view address, std::int32_t pid = 0) {
        ProxyClient& made = proxy().clients.emplace_back();
        made.address = end(address);
        made.accepted = ++inode;
        made.heard_ms = 5'000;
        made.age_ms = 100'000;
        if (pid == 0) return made;
        made.netns = web;
        made.inode = ++inode;
        world.sample.processes.owners[made.inode] = {{pid, 5}};
        return made;
    }
    ProxyClient& carried(std::string_view address, std::int32_t pid = 0) {
        const Pair pair = upstream();
        ProxyClient& made = client(address, pid);
        made.upstream = world.seen(web, pair.client_tuple).inode;
        return made;
    }
};

std::string describe(const std::optional<ProxyUse>& use) {
    if (!use) return "none";
    std::string text = use->clients ? std::to_string(*use->clients) : "?";
    text += " at";
    for (const ProxyListener& each : use->listening) text += ' ' + each.endpoint.text();
    for (const Behind& each : use->behind)
        text += "; " + each.group.name + (each.address ? " (host)" : "") + ": " +
                std::to_string(each.group.workers) + " with " +
                std::to_string(each.group.connections) + ", " +
                std::to_string(each.group.persistent) + " persistent, " +
                std::to_string(each.group.per_worker_max) + " each, " +
                std::to_string(each.group.duplicate_workers) + " with two, silent " +
                std::to_string(each.group.silent_max_s.value_or(-1)) + ", " +
                std::to_string(each.keepalive_unanswered) + " unanswered";
    return text;
}

// "40001 for worker at 10.0.0.2:50001" for each connection that a proxy carries.
std::string carried(const Report& report) {
    std::string text;
    for (const Connection& each : report.connections) {
        if (each.proxied == nullptr) continue;
        text += std::to_string(each.client_end.port) + " for " + each.proxied->group + " at " +
                each.proxied->address.text() + '\n';
    }
    return text;
}

TEST(Proxies, ByGroupAndByHost) {
    Front front;
    front.world.process(700, "worker.service", front.web, GroupKind::unit);
    front.world.process(701, "worker.service", front.web, GroupKind::unit);
    front.carried("10.0.0.2:50001", 700).heard_ms = 90'000;
    front.carried("10.0.0.2:50002", 700);
    front.carried("10.0.0.2:50003", 701).age_ms = 59'999;
    ProxyClient& lost = front.carried("10.0.3.17:50004");
    lost.keepalive_unanswered = true;
    lost.heard_ms = 7'200'000;
    front.client("10.0.3.17:50005").heard_ms.reset();
    const Report report = front.world.report();
    ASSERT_EQ(report.groups.size(), 1U);
    const std::string expected =
        "5 at 10.0.0.2:6380"
        "; worker.service: 2 with 3, 2 persistent, 2 each, 1 with two, silent 90, 0 unanswered"
        "; 10.0.3.17 (host): 0 with 2, 2 persistent, 0 each, 0 with two, silent 7200, 1 unanswered";
    EXPECT_EQ(describe(report.groups[0].proxy), expected);
    ASSERT_EQ(report.holders.size(), 1U);
    EXPECT_EQ(describe(report.holders[0].proxy), expected);
    EXPECT_EQ(carried(report),
              "40001 for worker.service at 10.0.0.2:50001\n"
              "40002 for worker.service at 10.0.0.2:50002\n"
              "40003 for worker.service at 10.0.0.2:50003\n"
              "40004 for  at 10.0.3.17:50004\n");
}

TEST(Proxies, NamingChangesNothingElse) {
    Front with;
    with.carried("10.0.3.17:50004").keepalive_unanswered = true;
    with.carried("10.0.0.2:50001", 600);
    Front without;
    without.carried("10.0.3.17:50004");
    without.carried("10.0.0.2:50001", 600);
    without.world.sample.proxies.clear();
    const Report one = with.world.report();
    const Report other = without.world.report();
    ASSERT_EQ(one.connections.size(), other.connections.size());
    for (std::size_t at = 0; at < one.connections.size(); ++at)
        EXPECT_EQ(test::describe(one.connections[at]), test::describe(other.connections[at]));
    EXPECT_EQ(describe(other.groups[0].proxy), "none");
    EXPECT_EQ(carried(other), "");
}

TEST(Proxies, Lookalikes) {
    Front front;
    front.world.process(700, "worker", front.web);
    front.world.process(701, "other", front.web);
    for (const char* address : {"10.0.0.2:50001", "10.0.0.2:50002"})
        front.carried(address, 700).lookalikes = 1;
    front.carried("10.0.0.2:50003", 700).lookalikes = 2;
    front.carried("10.0.0.2:50004", 701).lookalikes = 2;
    front.carried("10.0.0.2:50005", 700).lookalikes = 3;
    front.carried("10.0.0.3:50005", 700).lookalikes = 3;
    EXPECT_EQ(carried(front.world.report()),
              "40001 for worker at 10.0.0.2:0\n"
              "40002 for worker at 10.0.0.2:0\n");
}

TEST(Proxies, OfSeveralServers) {
    Front front;
    front.world.own_address(front.server, "10.0.0.9");
    const std::size_t second = front.world.redis(front.server, "10.0.0.9:6380", 501);
    front.carried("10.0.3.1:50001");
    const Pair other = front.upstream(second);
    front.client("10.0.3.2:50002").upstream = front.world.seen(front.web, other.client_tuple).inode;
    front.client("10.0.3.3:50003");  // nothing tells which of the two it uses
    const Report report = front.world.report();
    ASSERT_EQ(report.groups.size(), 2U);
    const std::string rest =
        " (host): 0 with 1, 1 persistent, 0 each, 0 with two, silent 5, 0 unanswered";
    EXPECT_EQ(describe(report.groups[0].proxy), "3 at 10.0.0.2:6380; 10.0.3.1" + rest);
    EXPECT_EQ(describe(report.groups[1].proxy), "3 at 10.0.0.2:6380; 10.0.3.2" + rest);
    // Nor where they look alike.
    for (ProxyClient& each : front.proxy().clients) each.lookalikes = 1;
    EXPECT_EQ(describe(front.world.report().groups[0].proxy), "3 at 10.0.0.2:6380");
}

TEST(Proxies, ClientsThatAreNotKnown) {
    Front front;
    front.upstream();
    front.proxy().clients_known = false;
    EXPECT_EQ(describe(front.world.report().groups[0].proxy), "? at 10.0.0.2:6380");
    // One that holds no connection any more, or whose process went away.
    front.world.sample.proxies.push_back({601, ProxySign::program, false, true, {}, {}});
    EXPECT_EQ(front.world.report().groups.size(), 1U);
}

TEST(Proxies, OthersOfTheSameName) {
    Front front;
    front.world.process(601, "haproxy", front.web);
    front.carried("10.0.3.1:50001");
    front.world.connect(front.web, "10.0.0.2:44000", front.redis, 601);
    const Report report = front.world.report();
    ASSERT_EQ(report.holders.size(), 2U);
    EXPECT_EQ(report.groups[0].workers, 2U);
    EXPECT_NE(describe(report.groups[0].proxy), "none");
    EXPECT_NE(describe(report.holders[0].proxy), "none");
    EXPECT_EQ(describe(report.holders[1].proxy), "none");
    // Processes that share what they have accepted count it once.
    front.world.sample.proxies.push_back(front.proxy());
    front.proxy().pid = 601;
    EXPECT_EQ(front.world.report().groups[0].proxy->clients, 1U);
}

TEST(Proxies, TheBlameGoesPast) {
    Front front;
    for (std::int32_t worker = 0; worker < 3; ++worker) {
        front.world.process(800 + worker, "php-fpm: pool shop", front.web, GroupKind::php_fpm_pool);
        for (int each = 0; each < 2; ++each)
            front.carried("10.0.0.2:5000" + std::to_string(worker * 2 + each), 800 + worker);
    }
    front.world.sample.processes.pools.push_back({"shop", 799, 3, 20});
    front.carried("10.0.3.17:50004");
    front.upstream();
    front.world.answer(front.redis).maxclients = 30;
    const auto summary = [](const Report& report, std::string_view code) {
        const auto found = std::ranges::find(report.findings, code, &Finding::code);
        return found == report.findings.end() ? std::string("none") : found->summary;
    };
    Report report = front.world.report();
    EXPECT_EQ(summary(report, "duplicate-persistent-connections"),
              "php-fpm: pool shop (through haproxy) holds 2 persistent connections per worker (3 "
              "workers, 6 connections)");
    EXPECT_EQ(summary(report, "persistent-exceeds-capacity"),
              "full PHP-FPM pools would hold 40 connections: more than the limit of 30");
    const auto keepalive = std::ranges::find(report.findings, "keepalive-off", &Finding::code);
    ASSERT_NE(keepalive, report.findings.end());
    std::string shares;
    for (const Share& each : keepalive->shares)
        shares += std::to_string(each.count) + ' ' + each.name + '\n';
    EXPECT_EQ(shares,
              "6 php-fpm: pool shop, through haproxy\n"
              "1 10.0.3.17, through haproxy\n"
              "1 haproxy\n");
    // Behind one that shares its connections, the pool's are none of the server's.
    front.proxy().one_to_one = false;
    report = front.world.report();
    EXPECT_EQ(summary(report, "duplicate-persistent-connections"), "none");
    EXPECT_EQ(summary(report, "persistent-exceeds-capacity"), "none");
}

}  // namespace
}  // namespace connleak

// What is near its end: clients, descriptors, ephemeral ports, PHP-FPM's pools.
#include <gtest/gtest.h>

#include "diagnosis/findings/findings.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::World;

struct Service {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    std::size_t redis = world.redis(server, "10.0.0.1:6379");
    ServerAnswer& answer() { return world.answer(redis); }
    std::string describe(std::string_view code) {
        const Report report = world.report();
        const auto found = std::ranges::find(report.findings, code, &Finding::code);
        if (found == report.findings.end()) return "none";
        return std::string(to_string(found->severity)) + ' ' + std::to_string(found->count) + ": " +
               found->summary + '\n' + found->remedy + '\n' + found->command;
    }
    std::string near_limit(std::uint64_t clients, std::uint64_t limit) {
        answer().connected_clients = clients;
        answer().maxclients = limit;
        return describe("clients-near-limit");
    }
};

TEST(Capacity, ClientsNearTheLimit) {
    Service service;
    EXPECT_EQ(service.describe("clients-near-limit"), "none");
    EXPECT_EQ(service.near_limit(7'999, 10'000), "none");
    const std::string rest =
        "\nSee below who holds the most. Raising maxclients needs as many descriptors and harms "
        "nobody:\nredis-cli -h 10.0.0.1 -p 6379 CONFIG SET maxclients 20000";
    EXPECT_EQ(service.near_limit(8'000, 10'000),
              "warning 8000: 8,000 of 10,000 clients (80 %)" + rest);
    EXPECT_EQ(service.near_limit(9'499, 10'000),
              "warning 9499: 9,499 of 10,000 clients (94 %)" + rest);
    EXPECT_EQ(service.near_limit(9'500, 10'000),
              "critical 9500: 9,500 of 10,000 clients (95 %)" + rest);
    EXPECT_EQ(service.near_limit(5, 0), "none");
}

TEST(Capacity, TheDescriptorsAreTheLimit) {
    Service service;
    service.answer().maxclients = 10'000;
    Server& server = service.world.sample.servers[0];
    EXPECT_EQ(client_limit(server), 10'000U);
    server.fd_limit = 10'032;
    EXPECT_EQ(client_limit(server), 10'000U);
    EXPECT_EQ(service.describe("fd-limit-below-maxclients"), "none");
    server.fd_limit = 1'024;
    EXPECT_EQ(client_limit(server), 992U);
    EXPECT_EQ(service.describe("fd-limit-below-maxclients"),
              "warning 1024: maxclients is 10,000, but 1,024 descriptors suffice for 992 clients\n"
              "Raise LimitNOFILE of its unit for the next start, and the limit of the running "
              "process, which harms nobody:\n"
              "prlimit --pid 500 --nofile=10032");
    // Then a higher maxclients helps nobody, and a lower one would be set by mistake.
    EXPECT_EQ(service.near_limit(990, 10'000),
              "critical 990: 990 of 992 clients (99 %)\n"
              "See below who holds the most. The limit in force is that of the descriptors, as "
              "below\n");
    server.fd_limit = 10;
    EXPECT_EQ(client_limit(server), 0U);
    server.answer.maxclients.reset();
    EXPECT_EQ(client_limit(server), std::nullopt);
}

TEST(Capacity, RejectedConnections) {
    Service service;
    service.answer().rejected_connections = 0;
    EXPECT_EQ(service.describe("connections-rejected"), "none");
    service.answer().rejected_connections = 1;
    const std::string rest =
        "\nClients met maxclients. The counter starts anew with CONFIG RESETSTAT\n";
    EXPECT_EQ(service.describe("connections-rejected"),
              "warning 1: 1 connection was refused since the server started" + rest);
    service.answer().rejected_connections = 1'234;
    service.answer().uptime_s = 3 * 86'400 + 4 * 3'600 + 59;
    EXPECT_EQ(
        service.describe("connections-rejected"),
        "warning 1234: 1,234 connections were refused since the server started 3d 4h ago" + rest);
}

// A pool with `workers` workers that hold `each` persistent connections.
struct Pool : Service {
    std::int32_t pid = 9'000;
    int port = 20'000;
    void pool(const std::string& name, int workers, int each,
              std::optional<std::uint32_t> max_children) {
        for (int worker = 0; worker < workers; ++worker) {
            world.process(++pid, "php-fpm: pool " + name, server, GroupKind::php_fpm_pool);
            for (int count = 0; count < each; ++count)
                world.connect(server, "10.0.0.1:" + std::to_string(++port), redis, pid);
        }
        world.sample.processes.pools.push_back({name, 8'999, workers, max_children});
    }
};

TEST(Capacity, DuplicatePersistentConnections) {
    Pool one;
    one.pool("www", 4, 1, 10);
    EXPECT_EQ(one.describe("duplicate-persistent-connections"), "none");
    Pool two;
    two.pool("www", 4, 2, 10);
    EXPECT_EQ(
        two.describe("duplicate-persistent-connections"),
        "warning 4: php-fpm: pool www holds 2 persistent connections per worker (4 workers, 8 "
        "connections)\n"
        "Two pconnect() calls with different host, port, timeout or persistent_id make two "
        "connections. Make the calls alike, then reload the pool: old workers end after "
        "their request and take theirs with them\n");
    two.world.policy.persistent_after_s = 101;
    EXPECT_EQ(two.describe("duplicate-persistent-connections"), "none") << "they are too young";
    // An application server with a pool of connections is no such worker.
    Service java;
    java.world.process(700, "java", java.server);
    for (int port = 1; port <= 10; ++port)
        java.world.connect(java.server, "10.0.0.1:" + std::to_string(port), java.redis, 700);
    EXPECT_EQ(java.describe("duplicate-persistent-connections"), "none");
}

TEST(Capacity, FullPools) {
    Pool service;
    service.pool("www", 4, 2, 50);
    service.answer().connected_clients = 12;
    service.answer().maxclients = 104;
    EXPECT_EQ(service.describe("persistent-exceeds-capacity"), "none");
    service.answer().maxclients = 103;
    EXPECT_EQ(service.describe("persistent-exceeds-capacity"),
              "warning 104: full PHP-FPM pools would hold 100 connections, with the others 104: "
              "more than the limit of 103\n"
              "Lower pm.max_children or the connections per worker, or raise maxclients, which "
              "needs as many descriptors and harms nobody:\n"
              "redis-cli -h 10.0.0.1 -p 6379 CONFIG SET maxclients 130");
    service.answer().connected_clients = 8;
    service.answer().maxclients = 99;
    EXPECT_TRUE(service.describe("persistent-exceeds-capacity")
                    .starts_with("warning 100: full PHP-FPM pools would hold 100 connections: more "
                                 "than the limit of 99\n"));
    service.world.sample.processes.pools[0].max_children.reset();
    EXPECT_EQ(service.describe("persistent-exceeds-capacity"), "none");
}

TEST(Capacity, EphemeralPorts) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    world.at(web).port_range_low = 40'000;
    world.at(web).port_range_high = 40'099;
    const auto describe = [&] {
        const Report report = world.report();
        const auto found =
            std::ranges::find(report.findings, "ephemeral-port-pressure", &Finding::code);
        return found == report.findings.end()
                   ? "none"
                   : std::string(to_string(found->severity)) + ' ' + std::to_string(found->count) +
                         ": " + found->summary + '\n' + found->remedy + '\n' + found->command;
    };
    int port = 40'000;
    const auto burn = [&](int count) {
        for (; count > 0; --count) {
            Socket& left = world.socket(web, Tuple{test::end("10.0.0.2:" + std::to_string(port++)),
                                                   test::end("10.0.0.1:6379")});
            left.state = State::time_wait;
            left.info.reset();
        }
    };
    burn(59);
    EXPECT_EQ(describe(), "none");
    burn(1);
    const std::string rest =
        "\nConnections that are opened for each request leave TIME-WAIT behind: keep them open "
        "(pconnect, a pool). A wider range helps until then and harms nobody:\n"
        "ip netns exec web sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";
    EXPECT_EQ(describe(),
              "warning 60: 10.0.0.2 uses 60 of 100 ephemeral ports (60 %) to 10.0.0.1:6379" + rest);
    burn(25);
    EXPECT_EQ(
        describe(),
        "critical 85: 10.0.0.2 uses 85 of 100 ephemeral ports (85 %) to 10.0.0.1:6379" + rest);
    world.at(web).port_range_high = 0;
    EXPECT_EQ(describe(), "none") << "the range is not known";
    EXPECT_EQ(world.report().counts[redis].verdict[std::size_t(Verdict::transient)], 85U);
}

}  // namespace
}  // namespace connleak

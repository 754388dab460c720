// Each finding: when it is made, how bad it is, and what a person is told, as literals.
#include <gtest/gtest.h>

#include "diagnosis/findings/findings.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;
using test::Pair;
using test::World;

const Finding* find(const Report& report, std::string_view code) {
    const auto found = std::ranges::find(report.findings, code, &Finding::code);
    return found == report.findings.end() ? nullptr : &*found;
}

// "warning 2: summary | remedy | command", and its shares, a line each.
std::string shown(const Finding* finding) {
    if (finding == nullptr) return "none";
    std::string text = std::string(to_string(finding->severity)) + ' ' +
                       std::to_string(finding->count) + ": " + finding->summary + '\n' +
                       finding->remedy + '\n' + finding->command;
    for (const Share& share : finding->shares) {
        text += '\n' + share.name + ": " + std::to_string(share.count);
        if (share.quiet_max_s)
            text += ", " + std::to_string(*share.quiet_min_s) + " to " +
                    std::to_string(*share.quiet_max_s) + " s";
    }
    return text;
}

std::string codes(const Report& report) {
    std::string text;
    for (const Finding& each : report.findings)
        text += (text.empty() ? "" : " ") + std::string(to_string(each.severity)) + ':' + each.code;
    return text;
}

struct Lan {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    NetnsId web = world.host("web", "10.0.0.2");
    std::size_t redis = 0;
    int ports = 40'000;
    Lan() {
        world.cable(server, web);
        world.own_address(web, "10.0.0.3");
        redis = world.redis(server, "10.0.0.1:6379");
    }
    // Keepalive on, so that only what a test is about is found.
    Pair connect(std::string_view from = "10.0.0.2") {
        const Pair made =
            world.connect(web, std::string(from) + ':' + std::to_string(++ports), redis);
        world.change_server(made, [](Socket& each) { each.timer.kind = TimerKind::keepalive; });
        return made;
    }
    ServerAnswer& answer() { return world.answer(redis); }
    std::string describe(std::string_view code) {
        const Report report = world.report();
        return shown(find(report, code));
    }
};

TEST(Findings, NoneOnAHealthyServer) {
    Lan lan;
    lan.connect();
    lan.answer().connected_clients = 2;
    lan.answer().maxclients = 10'000;
    lan.answer().rejected_connections = 0;
    lan.answer().tcp_keepalive_s = 300;
    lan.world.sample.servers[0].fd_limit = 10'032;
    EXPECT_EQ(codes(lan.world.report()), "");
}

TEST(Findings, Ghosts) {
    Lan lan;
    const Pair first = lan.connect();
    lan.world.lose_client(first);
    const std::string id = "connleak reap 10.0.0.1:6379 --yes";
    const auto remedy = [](const std::string& slots) {
        return "\nEach was looked at twice, and is looked at once more before it goes. That "
               "frees " +
               slots + " and touches no living client; without --yes it shows its plan:\n";
    };
    EXPECT_EQ(lan.describe("ghost-connections"),
              "warning 1: 1 ghost: the host it came from no longer has it" + remedy("1 slot") + id +
                  "\n10.0.0.2: 1, 90 to 90 s");
    lan.world.lose_client(lan.connect("10.0.0.3"));
    lan.world.lose_client(lan.connect("10.0.0.3"));
    lan.world.change_server(first, [](Socket& each) { each.info->last_ack_received_ms = 5'999; });
    lan.world.lose_client(lan.connect());
    lan.world.lose_client(lan.connect("10.0.0.3"));
    EXPECT_EQ(lan.describe("ghost-connections"),
              "warning 5: 5 ghosts: the hosts they came from no longer have them" +
                  remedy("5 slots") + id + "\n10.0.0.3: 3, 90 to 90 s\n10.0.0.2: 2, 5 to 90 s");
    // From a tenth of the limit on they are a matter of now.
    lan.answer().maxclients = 51;
    EXPECT_TRUE(lan.describe("ghost-connections").starts_with("warning"));
    lan.answer().maxclients = 50;
    EXPECT_TRUE(lan.describe("ghost-connections").starts_with("critical"));
}

TEST(Findings, GhostsOfAServerThatTakesNoLogins) {
    Lan lan;
    lan.world.lose_client(lan.connect());
    lan.answer() = {};
    lan.answer().asked = true;
    lan.answer().refused_at_limit = true;
    lan.answer().error = "ERR max number of clients reached";
    EXPECT_EQ(codes(lan.world.report()),
              "critical:server-refuses-clients critical:ghost-connections");
    EXPECT_EQ(
        lan.describe("ghost-connections"),
        "critical 1: 1 ghost: the host it came from no longer has it\n"
        "Each was looked at twice, and is looked at once more before it goes. That frees 1 slot "
        "and touches no living client; without --yes it shows its plan:\n"
        "connleak reap 10.0.0.1:6379 --yes\n"
        "10.0.0.2: 1, 90 to 90 s");
    EXPECT_EQ(lan.describe("server-refuses-clients"),
              "critical 1: the server refuses new clients: max number of clients reached, its "
              "kernel holds 1 connection\n"
              "Free the ghosts first, as below: no login is possible until then. maxclients can be "
              "raised only from a connection that is already open (CONFIG SET), or in the "
              "configuration at the next start\n");
    lan.world.sample.sockets.clear();
    EXPECT_EQ(lan.describe("server-refuses-clients"),
              "critical 0: the server refuses new clients: max number of clients reached\n"
              "No login is possible until a client goes: see below who holds the most. maxclients "
              "can be raised only from a connection that is already open (CONFIG SET), or in the "
              "configuration at the next start\n");
}

TEST(Findings, Unreachable) {
    Lan lan;
    lan.connect();
    lan.answer() = {};
    EXPECT_EQ(lan.describe("server-unreachable"), "none") << "nobody asked it";
    lan.answer().asked = true;
    lan.answer().error = "no answer within 3000 ms";
    EXPECT_EQ(lan.describe("server-unreachable"),
              "critical 1: the server cannot be asked: no answer within 3000 ms\n"
              "What follows is what the kernel shows without it. Its process is there: see whether "
              "it is stopped, busy or blocked\n"
              "ps -o pid,stat,wchan:20,etime,args -p 500");
    lan.world.sample.servers[0].pid.reset();
    EXPECT_EQ(lan.describe("server-unreachable"),
              "critical 1: the server cannot be asked: no answer within 3000 ms\n"
              "What follows is what the kernel shows without it\n");
    lan.answer().reachable = true;  // it wants a password: a gap, not a finding
    EXPECT_EQ(lan.describe("server-unreachable"), "none");
}

TEST(Findings, KeepaliveOff) {
    Lan lan;
    lan.connect();
    const auto off = [&] {
        lan.world.change_server(lan.connect(), [](Socket& each) { each.timer = {}; });
    };
    EXPECT_EQ(lan.describe("keepalive-off"), "none");
    off();
    lan.answer().tcp_keepalive_s = 0;
    EXPECT_EQ(lan.describe("keepalive-off"),
              "warning 1: 1 connection has no keepalive\n"
              "A peer that vanishes now stays for ever. connleak protect turns keepalive on for "
              "these connections, tcp-keepalive for new ones: the kernel then finds the dead and "
              "touches no living one. CONFIG REWRITE keeps it over a restart. Leave `timeout` for "
              "last: it also closes living clients that pause (connleak what-if)\n"
              "connleak protect 10.0.0.1:6379 --yes\n"
              "redis-cli -h 10.0.0.1 -p 6379 CONFIG SET tcp-keepalive 300\n"
              "redis-cli -h 10.0.0.1 -p 6379 CONFIG REWRITE\n"
              "client: 1, 90 to 90 s");
    lan.answer().tcp_keepalive_s = 300;
    const std::string predate =
        "The setting reaches new connections only. connleak protect turns keepalive on for these: "
        "the kernel then removes the dead by itself, and only the dead\n"
        "connleak protect 10.0.0.1:6379 --yes\n";
    EXPECT_EQ(lan.describe("keepalive-off"),
              "warning 1: 1 connection has no keepalive: it predates the server's tcp-keepalive of "
              "300 s\n" +
                  predate + "client: 1, 90 to 90 s");
    off();
    EXPECT_EQ(lan.describe("keepalive-off"),
              "warning 2: 2 connections have no keepalive: they predate the server's tcp-keepalive "
              "of 300 s\n" +
                  predate + "client: 2, 90 to 90 s");
    // A remote server's setting is not ours to judge by our own side's sockets.
    World remote;
    const NetnsId web = remote.host("web", "10.0.0.2");
    remote.connect(web, "10.0.0.2:40001", remote.remote_redis(web, "192.0.2.1:6379"));
    EXPECT_EQ(codes(remote.report()), "");
    // A service of which nothing is known.
    World tcp;
    const NetnsId server = tcp.host("server", "10.0.0.1");
    tcp.connect(0, "10.9.9.9:40001", tcp.tcp(server, "10.0.0.1:9092"));
    EXPECT_EQ(shown(find(tcp.report(), "keepalive-off")),
              "warning 1: 1 connection has no keepalive\n"
              "A peer that vanishes now stays for ever. connleak protect turns keepalive on for "
              "these connections, SO_KEEPALIVE in the server's configuration for new ones; neither "
              "harms a living one. connleak verify tells first whether the silent peer is dead\n"
              "connleak verify tcp://10.0.0.1:9092\n"
              "connleak protect tcp://10.0.0.1:9092 --yes\n"
              "10.9.9.9: 1, 90 to 90 s");
}

TEST(Findings, Suspects) {
    Lan lan;
    const Pair pair = lan.connect();
    lan.world.link(World::eth0(lan.server)).peer_netns.reset();
    lan.world.lose_client(pair);
    lan.world.change_server(pair, [](Socket& each) { each.timer.retransmits = 2; });
    EXPECT_EQ(lan.describe("suspect-connections"),
              "warning 1: 1 connection shows signs of a dead peer, without proof\n"
              "Retransmissions and keepalive decide by themselves, in their time. connleak verify "
              "asks each peer now, and harms no living one:\n"
              "connleak verify 10.0.0.1:6379\n"
              "10.0.0.2: 1, 90 to 90 s");
}

TEST(Findings, Orphans) {
    Lan lan;
    for (int count = 0; count < 2; ++count) {
        const Pair pair = lan.connect();
        lan.world.lose_server(pair);
        EXPECT_TRUE(lan.describe("orphan-connections")
                        .starts_with(
                            count == 0 ? "warning 1: 1 client connection that the server no longer "
                                         "has\n"
                                       : "warning 2: 2 client connections that the server no "
                                         "longer has\n"));
    }
    const std::string told = lan.describe("orphan-connections");
    EXPECT_TRUE(told.ends_with(
        "\"\\(.client_socket.owners[0].pid) \\(.client|e) \\(.server|d|e)\"' | while read -r pid "
        "client server; do nsenter -t \"$pid\" -n ss -K state established src \"$client\" dst "
        "\"$server\"; done\nclient: 2, 90 to 90 s"))
        << told;
}

TEST(Findings, CloseWaitAndTheAcceptQueue) {
    Lan lan;
    lan.world.change_client(lan.connect(), [](Socket& each) { each.state = State::close_wait; });
    EXPECT_EQ(lan.describe("close-wait-leak"),
              "warning 1: 1 connection that the peer has closed and the owner has not\n"
              "A descriptor leak in the owner: only the owner can close them, or its restart\n\n"
              "client: 1, 90 to 90 s");
    lan.world.change_server(lan.connect(), [](Socket& each) { each.inode = 0; });
    EXPECT_EQ(lan.describe("unaccepted-connections"),
              "warning 1: 1 connection waits in the listen queue: the server does not accept\n"
              "See whether the server's process is stopped, out of descriptors or busy with a long "
              "command\n"
              "ps -o pid,stat,wchan:20,etime,args -p 500\n"
              "client: 1, 90 to 90 s");
}

TEST(Findings, ComeByServerAndThenBySeverity) {
    Lan lan;
    const NetnsId other = lan.world.host("other", "10.0.9.1");
    const std::size_t second = lan.world.redis(other, "10.0.9.1:6379", 501);
    lan.answer().rejected_connections = 1;
    lan.answer().refused_at_limit = true;
    lan.world.answer(second).rejected_connections = 1;
    lan.world.connect(0, "10.9.9.9:1", second);
    EXPECT_EQ(codes(lan.world.report()),
              "critical:server-refuses-clients warning:connections-rejected "
              "warning:keepalive-off warning:connections-rejected");
}

TEST(Findings, ATargetAsAPersonTypesIt) {
    Server server;
    server.endpoint = end("0.0.0.0:6379");
    EXPECT_EQ(target_text(server), ":6379");
    server.endpoint = end("[::]:6380");
    EXPECT_EQ(target_text(server), ":6380");
    server.endpoint = end("[2001:db8::1]:6379");
    EXPECT_EQ(target_text(server), "[2001:db8::1]:6379");
    server.kind = ServerKind::tcp;
    EXPECT_EQ(target_text(server), "tcp://[2001:db8::1]:6379");
    server.endpoint = end("0.0.0.0:9092");
    EXPECT_EQ(target_text(server), "tcp://:9092");
    server.kind = ServerKind::redis;
    server.path = "/run/redis.sock";
    EXPECT_EQ(target_text(server), "unix:/run/redis.sock");
}

}  // namespace
}  // namespace connleak

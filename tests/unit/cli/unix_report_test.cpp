// What holders, verbs and outputs make of connections by Unix socket.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <deque>

#include "cli/act/render.h"
#include "cli/report/json.h"
#include "cli/report/json_items.h"
#include "cli/report/table.h"
#include "cli/status.h"
#include "diagnosis/actions/plan.h"
#include "diagnosis/actions/proof.h"
#include "diagnosis/diagnose.h"
#include "diagnosis/findings/commands.h"
#include "diagnosis/findings/findings.h"
#include "diagnosis/holders/holders.h"

namespace connleak {
namespace {

// A server with one healthy connection, and one that the server has closed, of process 200.
struct World {
    Sample sample;
    Report report;
    std::deque<Socket> sockets;
    ServerClient row;

    World() {
        Server server;
        server.path = "/run/redis.sock";
        server.pid = 100;
        server.netns = 4'026'531'840;
        server.unix_listening = {{10, 4'026'531'840, "/run/redis.sock", "/run/redis.sock"}};
        server.answer.asked = server.answer.reachable = true;
        sample.servers.push_back(server);
        Process process;
        process.pid = 200;
        process.group = "worker.service";
        process.group_kind = GroupKind::unit;
        sample.processes.by_pid[200] = process;
        row.id = 7;
        row.idle_s = 3;
        add(Verdict::healthy, Evidence::peer_socket_present).server_socket = socket(20);
        report.connections.back().row = &row;
        report.connections.back().age_s = 100;
        add(Verdict::close_wait, Evidence::peer_closed);
        conclude(sample, {}, report);
    }

    const Socket* socket(std::uint32_t inode) {
        Socket made;
        made.netns = 4'026'531'999;  // the client's
        made.state = State::established;
        made.inode = inode;
        return &sockets.emplace_back(made);
    }

    Connection& add(Verdict verdict, Evidence evidence) {
        Connection connection;
        connection.client_path = "/run/redis.sock";
        connection.verdict = verdict;
        connection.evidence = {evidence};
        const auto inode = static_cast<std::uint32_t>(30 + report.connections.size());
        connection.client_socket = socket(inode);
        sample.processes.owners[inode] = {{200, 5}};
        return report.connections.emplace_back(connection);
    }
};

TEST(UnixReport, HoldersCountThemAsOthers) {
    const World world;
    ASSERT_EQ(world.report.holders.size(), 1U);
    const Holder& holder = world.report.holders[0];
    EXPECT_EQ(holder.connections, 2U);
    EXPECT_EQ(holder.persistent, 1U);
    EXPECT_EQ(holder.close_wait, 1U);
    EXPECT_EQ(world.report.groups[0].by_unix_socket, 2U);
    for (const std::uint64_t keepalive : world.report.counts[0].keepalive) EXPECT_EQ(keepalive, 0U);
    ASSERT_EQ(world.report.findings.size(), 1U);
    EXPECT_EQ(world.report.findings[0].code, "close-wait-leak");
    EXPECT_EQ(fullest_ports(world.sample, world.report, 0), std::nullopt);
}

nlohmann::ordered_json parsed(const render::Json& value) {
    std::string text;
    value.write(text);
    return nlohmann::ordered_json::parse(text);
}

TEST(UnixReport, Json) {
    const World world;
    const auto json = parsed(render::json_connection(world.sample, world.report.connections[0]));
    EXPECT_EQ(json["client"].dump(), R"({"path":"/run/redis.sock"})");
    EXPECT_EQ(json["server"]["path"], "/run/redis.sock");
    EXPECT_EQ(json["server"]["netns"], 4'026'531'840) << "the server's, not the client's";
    EXPECT_TRUE(json["server_socket"]["timer"].is_null());
    EXPECT_TRUE(json["client_socket"]["rtt_us"].is_null());
    EXPECT_EQ(json["client_socket"]["owners"][0]["pid"], 200);
    EXPECT_EQ(parsed(render::json_process(world.sample, world.report.holders[0]))["server"].dump(),
              R"({"address":null,"port":null,"path":"/run/redis.sock"})");
    Server both = world.sample.servers[0];
    both.path.clear();
    both.endpoint = *Endpoint::parse("10.0.0.1:6379");
    EXPECT_EQ(parsed(render::json_server(both, {}))["path"], "/run/redis.sock");
    EXPECT_EQ(parsed(render::server_key(both)).dump(), R"({"address":"10.0.0.1","port":6379})");
}

TEST(UnixReport, VerbsThatActLeaveThemAlone) {
    const World world;
    EXPECT_TRUE(choose_subjects(world.sample, world.report, true).empty());
    EXPECT_TRUE(plan_reap(world.sample, world.report, MethodChoice::automatic, {}).actions.empty());
    const Plan plan = plan_protect(world.sample, world.report);
    ASSERT_EQ(plan.actions.size(), 1U) << "of one end alone nothing is to be said";
    EXPECT_FALSE(plan.actions[0].planned);
    EXPECT_EQ(plan.actions[0].outcome, Outcome::skipped);
    EXPECT_EQ(plan.actions[0].reason, needs_no_keepalive);
    EXPECT_EQ(cli::status_of(plan, false), cli::made);
    EXPECT_TRUE(coverage(world.sample, world.report, plan).empty());
    const render::Acts acts{.report = world.report, .plan = plan};
    EXPECT_EQ(render::protect_table(world.sample, acts, false),
              "redis  unix:/run/redis.sock  no connections that take keepalive, nothing to do\n"
              "  1 skipped: a Unix socket: its peer cannot vanish without the kernel knowing\n");
}

TEST(UnixReport, SuspectsAreNotSentToBeVerified) {
    World world;
    world.report.connections.clear();
    world.add(Verdict::suspect, Evidence::peer_closing);
    conclude(world.sample, {}, world.report);
    ASSERT_EQ(world.report.findings.size(), 1U);
    EXPECT_EQ(world.report.findings[0].code, "suspect-connections");
    EXPECT_EQ(world.report.findings[0].command, "");
}

TEST(UnixReport, NoCommandWhereThePathIsAnothers) {
    World world;
    Server& server = world.sample.servers[0];
    EXPECT_EQ(Commands(world.sample, server).client("PING"), "redis-cli -s /run/redis.sock PING");
    server.path_elsewhere = true;
    EXPECT_EQ(Commands(world.sample, server).client("PING"), "");
}

TEST(UnixReport, Table) {
    const World world;
    const std::string text = render::to_table(world.sample, world.report, {.connections = true});
    EXPECT_NE(
        text.find("worker.service      1      2     2           1  1m 40s       -          -"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("close-wait  unix:/run/redis.sock"), std::string::npos) << text;
}

}  // namespace
}  // namespace connleak

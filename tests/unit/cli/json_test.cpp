// The report for programs: always JSON, always UTF-8, absent facts null, and every object with
// exactly the members that the contract names (and the few that have been added to it).
#include "cli/report/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/worlds/json_text.h"
#include "tests/unit/worlds/reports.h"

namespace connleak::render {
namespace {

using nlohmann::json;
using test::json_of;
using test::Made;
using test::World;

json parsed(World& world, const RunFacts& head = {}) {
    const Report report = world.report();
    return json::parse(json_of(head, world.sample, report));  // throws on invalid UTF-8 as well
}

std::string keys(const json& object) {
    std::string text;
    for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : " ") + key;
    return text;
}

TEST(Json, Rfc3339) {
    EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(rfc3339(1'795'214'155), "2026-11-20T22:35:55Z");
    EXPECT_EQ(rfc3339(951'782'400), "2000-02-29T00:00:00Z");
}

// In alphabetical order, as this parser keeps them.
TEST(Json, MembersOfEveryObject) {
    Made world(test::each_verdict);
    world.sample.gaps.push_back({"proc", "pid 312", "EACCES", "who holds its sockets"});
    const json report = parsed(world);
    EXPECT_EQ(keys(report),
              "complete connections cost findings gaps generated_at generator groups host "
              "processes schema_version servers");
    EXPECT_EQ(keys(report["generator"]), "name version");
    EXPECT_EQ(keys(report["host"]), "boot_id kernel name");
    EXPECT_EQ(keys(report["cost"]), "processes_read redis_ms sockets_read wall_ms");
    EXPECT_EQ(keys(report["gaps"][0]), "effect error scope source");
    const json& server = report["servers"][0];
    EXPECT_EQ(
        keys(server),
        "aborted_clients aborted_connects address blocked_clients client_list_bytes client_list_ms "
        "cluster_bus cluster_connections connected_clients connected_replicas counts error "
        "fd_limit interactive_timeout_s keepalive kind listed_clients master max_used_connections "
        "maxclients mode netns path pid port reachable rejected_connections role "
        "tcp_keepalive_s through timeout_s tls total_connections_received version");
    EXPECT_EQ(keys(server["counts"]),
              "close-wait ghost healthy orphan suspect transient unaccepted unverified");
    EXPECT_EQ(keys(server["keepalive"]), "masked off on unknown");
    for (const json& connection : report["connections"]) {
        // age_s and proxied_client are additions.
        EXPECT_EQ(keys(connection),
                  "age_s client client_socket evidence group keepalive kernel_gives_up_in_s "
                  "last_heard_ms listed proxied_client purpose server server_socket verdict");
        EXPECT_EQ(keys(connection["server"]), "address dialled netns peer_host port");
        EXPECT_EQ(keys(connection["client"]), "address netns peer_host port seen_as");
        for (const char* side : {"server_socket", "client_socket"}) {
            const json& socket = connection[side];
            if (socket.is_null()) continue;
            // probes, total_retransmits and uid are additions.
            EXPECT_EQ(keys(socket),
                      "backoff cookie inode last_ack_received_ms last_data_received_ms "
                      "last_data_sent_ms netns owners probes rtt_us rx_queue_bytes state timer "
                      "total_retransmits tx_queue_bytes uid unacked");
            EXPECT_EQ(keys(socket["timer"]), "expires_ms kind retransmits");
            for (const json& owner : socket["owners"]) EXPECT_EQ(keys(owner), "comm fd pid");
        }
        if (connection["listed"].is_null()) continue;
        EXPECT_EQ(keys(connection["listed"]),
                  "age_s client_pid command database id idle_s kind memory_bytes name native state "
                  "transaction_s user");
    }
    EXPECT_EQ(keys(report["processes"][0]),
              "close_wait comm command connections container group idle_max_s keepalive_off "
              "netns oldest_s peer_host persistent pid proxy server start_time unit user");
    EXPECT_EQ(keys(report["processes"][0]["server"]), "address port");
    EXPECT_EQ(keys(report["groups"][0]),
              "connections kind max_workers name peer_host per_worker_max persistent "
              "projected_connections "
              "proxy server workers");
    EXPECT_EQ(keys(report["findings"][0]), "code command count remedy server severity summary");
}

TEST(Json, Proxies) {
    Made world(test::proxies);
    const json report = parsed(world);
    const json& groups = report["groups"];
    ASSERT_EQ(groups.size(), 3U);
    const json& haproxy = groups[0]["proxy"];
    EXPECT_EQ(haproxy["known_by"], "traffic");
    EXPECT_EQ(haproxy["clients"], 16);
    const NetnsId web = world.sample.proxies[0].listening[0].netns;
    EXPECT_EQ(haproxy["listening"],
              json::array({{{"address", "10.9.0.17"}, {"port", 6600}, {"netns", web}}}));
    ASSERT_EQ(haproxy["behind"].size(), 9U);
    EXPECT_EQ(haproxy["behind"][0], json({{"name", "php-fpm: pool shop"},
                                          {"address", nullptr},
                                          {"workers", 8},
                                          {"connections", 8},
                                          {"persistent", 8},
                                          {"oldest_s", 14'400},
                                          {"silent_max_s", 12},
                                          {"keepalive_on", 3},
                                          {"keepalive_unanswered", 0}}));
    EXPECT_EQ(haproxy["behind"][1]["name"], nullptr);
    EXPECT_EQ(haproxy["behind"][1]["address"], "10.9.3.1");
    EXPECT_EQ(haproxy["behind"][1]["workers"], nullptr);
    EXPECT_EQ(groups[1]["proxy"]["clients"], 300);
    EXPECT_EQ(groups[2]["proxy"]["clients"], nullptr);
    EXPECT_EQ(groups[2]["proxy"]["behind"], json::array());
    EXPECT_EQ(report["processes"][0]["proxy"], haproxy);
    EXPECT_EQ(report["servers"][1]["through"], "haproxy");
    EXPECT_EQ(report["servers"][0]["through"], nullptr);
    const json& first = report["connections"][0]["proxied_client"];
    EXPECT_EQ(first, json({{"address", "10.9.0.17"},
                           {"port", 40'002},
                           {"netns", web},
                           {"group", "php-fpm: pool shop"},
                           {"last_heard_ms", 12'000},
                           {"keepalive_unanswered", false}}));
    const json& alike = report["connections"][15]["proxied_client"];
    EXPECT_EQ(alike["address"], "10.9.3.8");
    EXPECT_EQ(alike["port"], nullptr);
    EXPECT_EQ(alike["group"], nullptr);
    EXPECT_EQ(report["connections"][16]["proxied_client"], nullptr);
}

TEST(Json, TheHead) {
    Made world(test::healthy);
    RunFacts head;
    head.generated_at_s = 1795214155;  // 2026-11-20T22:35:55Z
    head.host_name = "db1";
    head.kernel = "6.18";
    head.wall_ms = 12.3456;
    head.redis_ms = 0.4;
    head.sockets_read = 17;
    world.sample.processes.processes_read = 99;
    const json report = parsed(world, head);
    EXPECT_EQ(report["schema_version"], 2);
    EXPECT_EQ(report["generator"], json({{"name", "connleak"}, {"version", CONNLEAK_VERSION}}));
    EXPECT_EQ(report["generated_at"], "2026-11-20T22:35:55Z");
    EXPECT_EQ(report["host"], json({{"name", "db1"}, {"kernel", "6.18"}, {"boot_id", nullptr}}));
    EXPECT_EQ(report["cost"], json({{"wall_ms", 12.345},
                                    {"redis_ms", 0.4},
                                    {"sockets_read", 17},
                                    {"processes_read", 99}}));
    EXPECT_EQ(report["complete"], true);
    EXPECT_EQ(report["gaps"], json::array());
    world.sample.gaps.push_back({"proc", "pid 312", "EACCES", "who holds its sockets"});
    EXPECT_EQ(parsed(world)["complete"], false);
}

TEST(Json, AServer) {
    Made world(test::story);
    world.sample.servers[0].fd_limit = 10'032;
    world.answer(0).client_list_ms = 20.5;
    world.answer(0).client_list_bytes = 5'200'000;
    EXPECT_EQ(parsed(world)["servers"][0], json::parse(R"({
        "kind": "redis", "address": "10.9.0.1", "port": 6379, "path": null, "netns": 4026531840,
        "pid": 14625, "through": null, "reachable": true, "error": null, "tls": null,
        "version": "7.0.15",
        "mode": null, "role": null, "master": null, "connected_replicas": null,
        "cluster_connections": null, "cluster_bus": null, "listed_clients": null,
        "connected_clients": 9874, "blocked_clients": null, "maxclients": 10000,
        "rejected_connections": 2211, "total_connections_received": null, "tcp_keepalive_s": 300,
        "timeout_s": 0, "interactive_timeout_s": null, "max_used_connections": null,
        "aborted_clients": null, "aborted_connects": null, "fd_limit": 10032, "client_list_ms": 20.5, "client_list_bytes": 5200000,
        "counts": {"healthy": 84, "ghost": 1212, "suspect": 0, "unverified": 12, "orphan": 0,
                   "unaccepted": 0, "close-wait": 0, "transient": 0},
        "keepalive": {"on": 13, "off": 1295, "masked": 0, "unknown": 0}})"));
}

TEST(Json, WhatIsNotKnownIsNull) {
    World world;
    const NetnsId web = world.host("web", "10.0.0.2");
    Server remote;
    remote.endpoint = test::end("192.0.2.1:6379");
    world.sample.servers.push_back(remote);
    world.connect(web, "10.0.0.2:40001", 0);
    Socket& left = world.sample.sockets[0];
    left.state = State::time_wait;
    left.inode = 0;
    left.info.reset();
    Server by_path;
    by_path.path = "/run/redis.sock";
    by_path.answer.asked = by_path.answer.reachable = by_path.answer.clients_complete = true;
    ServerClient row;
    row.path = by_path.path;
    by_path.answer.clients.push_back(row);
    world.sample.servers.push_back(by_path);
    const json report = parsed(world);
    const json& server = report["servers"][0];
    for (const char* absent :
         {"path", "netns", "pid", "reachable", "error", "version", "connected_clients",
          "blocked_clients", "maxclients", "rejected_connections", "total_connections_received",
          "tcp_keepalive_s", "timeout_s", "fd_limit", "client_list_ms", "client_list_bytes"})
        EXPECT_TRUE(server[absent].is_null()) << absent;
    const json& connection = report["connections"][0];
    for (const char* absent :
         {"server_socket", "listed", "group", "last_heard_ms", "kernel_gives_up_in_s", "age_s"})
        EXPECT_TRUE(connection[absent].is_null()) << absent;
    EXPECT_TRUE(connection["server"]["netns"].is_null());
    const json& socket = connection["client_socket"];
    EXPECT_EQ(socket["state"], "time_wait");
    for (const char* absent : {"inode", "rtt_us", "backoff", "unacked", "last_data_sent_ms",
                               "last_data_received_ms", "last_ack_received_ms", "probes"})
        EXPECT_TRUE(socket[absent].is_null()) << absent;
    EXPECT_EQ(socket["owners"], json::array());

    EXPECT_EQ(report["servers"][1]["path"], "/run/redis.sock");
    EXPECT_TRUE(report["servers"][1]["address"].is_null());
    EXPECT_TRUE(report["servers"][1]["port"].is_null());
    const json& by_unix = report["connections"][1];
    EXPECT_EQ(by_unix["client"], json({{"path", "/run/redis.sock"}}));
    EXPECT_EQ(by_unix["listed"]["id"], nullptr);
    EXPECT_EQ(by_unix["listed"]["name"], nullptr);
    EXPECT_EQ(by_unix["listed"]["native"], json::object());
}

TEST(Json, AConnection) {
    World world;
    const NetnsId server = world.host("server", "2001:db8::1");
    const NetnsId web = world.host("web", "2001:db8::2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "[2001:db8::1]:6379");
    const auto pair = world.connect(web, "[2001:db8::2]:40001", redis);
    world.change_server(pair, [](Socket& each) {
        each.cookie = 0xabc123;
        each.timer = {TimerKind::keepalive, 41'000, 1};
        each.info->rtt_us = 250;
    });
    const json report = parsed(world);
    const json& connection = report["connections"][0];
    EXPECT_EQ(connection["server"], json({{"address", "2001:db8::1"},
                                          {"port", 6379},
                                          {"dialled", nullptr},
                                          {"netns", server},
                                          {"peer_host", nullptr}}));
    EXPECT_EQ(connection["client"], json({{"address", "2001:db8::2"},
                                          {"port", 40001},
                                          {"seen_as", nullptr},
                                          {"netns", web},
                                          {"peer_host", nullptr}}));
    EXPECT_EQ(connection["verdict"], "healthy");
    EXPECT_EQ(connection["evidence"], json({"peer-socket-present"}));
    EXPECT_EQ(connection["keepalive"], "on");
    EXPECT_EQ(connection["last_heard_ms"], 90'000);
    EXPECT_EQ(connection["group"], "client");
    const json& socket = connection["server_socket"];
    EXPECT_EQ(socket["state"], "established");
    EXPECT_EQ(socket["cookie"], "abc123");
    EXPECT_EQ(socket["rtt_us"], 250);
    EXPECT_EQ(socket["timer"],
              json({{"kind", "keepalive"}, {"expires_ms", 41'000}, {"retransmits", 1}}));
    ASSERT_EQ(socket["owners"].size(), 1U);
    EXPECT_EQ(socket["owners"][0]["pid"], 500);
    EXPECT_EQ(socket["owners"][0]["comm"], "redis-server");
    EXPECT_EQ(report["processes"][0]["start_time"], "2023-11-14T22:25:00Z");
}

TEST(Json, HostileBytesStayValidUtf8) {
    Made world(test::hostile);
    world.answer(0).clients[0].name =
        "\xff\x00|\x1b"
        "=\"\\";
    const Report report = world.report();
    const std::string text = json_of({}, world.sample, report);
    const json document = json::parse(text);
    EXPECT_EQ(document["processes"][0]["user"].get<std::string>().substr(0, 15),
              "\x1b[31mCRITICAL\n\xef");
    EXPECT_TRUE(text.contains("\xef\xbf\xbd")) << "U+FFFD for broken bytes";
    for (const char c : text) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
}

TEST(Json, OneItemALine) {
    Made world(test::each_verdict);
    const Report report = world.report();
    const std::string text = json_of({}, world.sample, report);
    EXPECT_TRUE(text.starts_with("{\n  \"schema_version\": 2,\n  \"generator\": {"));
    EXPECT_TRUE(text.ends_with("\n}\n"));
    std::size_t items = 0;
    for (std::size_t at = 0; (at = text.find("\n    {", at)) != std::string::npos; ++at) ++items;
    EXPECT_EQ(items, report.connections.size() + report.holders.size() + report.groups.size() +
                         report.findings.size() + 1);
}

TEST(Json, OfNothing) {
    World world;
    const json report = parsed(world);
    for (const char* list : {"gaps", "servers", "connections", "processes", "groups", "findings"})
        EXPECT_EQ(report[list], json::array()) << list;
}

}  // namespace
}  // namespace connleak::render

// A MariaDB in a whole report: its connections by Unix socket, and what programs read of it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/report/json.h"
#include "diagnosis/connections/unix_join.h"
#include "tests/unit/worlds/golden.h"
#include "tests/unit/worlds/json_text.h"
#include "tests/unit/worlds/mysql.h"

namespace connleak {
namespace {

using nlohmann::json;
using test::Pair;
using test::World;

// Connections by Unix socket to a MariaDB, which tells neither their path nor their descriptor.
struct ByPath : World {
    std::size_t db = 0;
    bool again = true;  // its list can be had a second time

    ByPath() {
        const NetnsId where = host("db", "10.0.0.1");
        db = test::mariadb(*this, where, "10.0.0.1:3306");
        sample.servers[db].unix_listening = {{10, where, path, path}};
        add(10, State::listen, path, 0);
        own(10, 500, 6);
    }
    static inline const std::string path = "/run/mysqld/mysqld.sock";

    void add(std::uint32_t inode, State state, const std::string& name, std::uint32_t peer) {
        UnixSocket socket;
        socket.socket.netns = sample.servers[db].netns.value_or(0);
        socket.socket.state = state;
        socket.socket.inode = inode;
        socket.socket.cookie = inode + 1000;
        socket.name = name;
        socket.peer_inode = peer;
        sample.unix_side.sockets.push_back(socket);
    }
    void own(std::uint32_t inode, std::int32_t pid, std::int32_t fd) {
        sample.processes.owners[inode].push_back({pid, fd});
        if (!sample.processes.by_pid.contains(pid)) process(pid, "client");
    }
    // Accepted as `inode` and descriptor `fd`.
    void connect_unix(std::uint32_t inode, std::int32_t fd) {
        add(inode, State::established, path, inode + 1);
        add(inode + 1, State::established, "", inode);
        own(inode, 500, fd);
        own(inode + 1, 700, 3);
        sample.unix_side.earlier.insert(inode);
    }
    ServerClient& unix_row(std::uint64_t id, std::optional<std::int32_t> fd = std::nullopt) {
        ServerClient row;
        row.id = id;
        row.user = "shop";
        row.by_unix_socket = row.unnamed = true;
        row.fd = fd;
        row.command = "Sleep";
        row.idle_s = 5;
        return answer(db).clients.emplace_back(row);
    }
    std::optional<std::vector<UnixSocket>> unix_sockets_again() override {
        return sample.unix_side.sockets;
    }
    std::optional<std::vector<ServerClient>> clients_again(std::size_t) override {
        return again ? std::optional(answer(db).clients) : std::nullopt;
    }
    // "server-inode row-id verdict [evidence]" a line, sorted.
    std::string all() {
        std::set<std::string> lines;
        for (const Connection& each : report().connections)
            lines.insert(
                (each.server_socket == nullptr ? "-" : std::to_string(each.server_socket->inode)) +
                ' ' + (each.row == nullptr ? "-" : std::to_string(each.row->id)) + ' ' +
                test::describe(each) + '\n');
        std::string text;
        for (const std::string& line : lines) text += line;
        return text;
    }
};

TEST(MysqlByUnixSocket, TheThreadsDescriptorTellsWhichItIs) {
    ByPath world;
    world.connect_unix(20, 31);
    world.connect_unix(30, 32);
    world.unix_row(1, 32);
    world.unix_row(2, 31);
    EXPECT_EQ(world.all(),
              "20 2 healthy [peer-socket-present]\n30 1 healthy [peer-socket-present]\n");
}

TEST(MysqlByUnixSocket, WithoutADescriptorEachCountsOnceAndNoneIsUnlisted) {
    ByPath world;
    world.connect_unix(20, 31);
    world.connect_unix(30, 32);
    world.unix_row(1, 32);
    world.unix_row(2);
    EXPECT_EQ(world.all(),
              "20 - healthy [peer-socket-present]\n30 1 healthy [peer-socket-present]\n");
}

// A thread at work may wait at a file, and one of a pool at the socket of another.
TEST(MysqlByUnixSocket, AnotherDescriptorIsAsGoodAsNone) {
    ByPath world;
    world.connect_unix(20, 31);
    world.connect_unix(30, 32);
    world.unix_row(1, 32);
    world.unix_row(2, 77);
    EXPECT_EQ(world.all(),
              "20 - healthy [peer-socket-present]\n30 1 healthy [peer-socket-present]\n");
    world.answer(world.db).clients[1].fd = 32;
    EXPECT_EQ(world.all(),
              "20 - healthy [peer-socket-present]\n30 1 healthy [peer-socket-present]\n");
}

TEST(MysqlByUnixSocket, WhatNoRowTellsIsUnlistedOnlyWhereNoRowCanBeIt) {
    ByPath world;
    world.connect_unix(20, 31);
    EXPECT_EQ(world.all(), "20 - suspect [peer-socket-present server-not-listing]\n");
    world.unix_row(1);
    EXPECT_EQ(world.all(), "20 - healthy [peer-socket-present]\n");
    world.again = false;
    EXPECT_EQ(world.all(), "20 - healthy [peer-socket-present]\n");
}

TEST(MysqlByUnixSocket, TheSecondListHasARowThatMayBeIt) {
    struct Later : ByPath {
        std::optional<std::vector<ServerClient>> clients_again(std::size_t) override {
            ServerClient row;
            row.id = 9;
            row.by_unix_socket = row.unnamed = true;
            return std::vector{row};
        }
    } world;
    world.connect_unix(20, 31);
    EXPECT_EQ(world.all(), "20 - healthy [peer-socket-present]\n");
}

TEST(MysqlByUnixSocket, RowsAloneWhereItsSocketsAreOutOfSight) {
    ByPath world;
    world.unix_row(1);
    world.unix_row(2, 31).idle_s = 900;
    EXPECT_EQ(world.all(), "- 1 healthy [recent-traffic]\n- 2 unverified [peer-out-of-sight]\n");
}

TEST(MysqlByUnixSocket, BesideThoseByAddressAndByName) {
    ByPath world;
    const NetnsId web = world.host("web1", "10.0.0.7");
    world.cable(*world.sample.servers[world.db].netns, web);
    const Pair ghost = world.connect(web, "10.0.0.7:41234", world.db);
    const std::uint64_t id = test::thread_by_name(world, ghost).id;
    world.lose_client(ghost);
    world.connect_unix(20, 31);
    world.unix_row(1, 31);
    EXPECT_EQ(world.all(),
              std::to_string(world.seen(ghost.server_netns, ghost.server_tuple).inode) + ' ' +
                  std::to_string(id) +
                  " ghost [peer-socket-absent]\n20 1 healthy [peer-socket-present]\n");
}

// ---------------------------------------------------------------- JSON

// A Redis and a MariaDB beside it, with clients by address, by name, by Unix socket.
struct BothKinds : ByPath {
    BothKinds() {
        const NetnsId where = *sample.servers[db].netns;
        const NetnsId web = host("web1", "10.0.0.7");
        cable(where, web);
        ServerAnswer& told = answer(db);
        told.version = "10.11.6-MariaDB-0+deb12u1";
        told.connected_clients = 4;
        told.maxclients = 151;
        told.timeout_s = 28'800;
        told.interactive_timeout_s = 3'600;
        told.max_used_connections = 17;
        told.aborted_clients = 3;
        told.aborted_connects = 2;
        told.rejected_connections = 0;
        told.total_connections_received = 4'711;
        told.uptime_s = 86'400;
        const auto row = [&](ServerClient& each) {
            each.user = "shop";
            each.database = "shop";
            each.age_s = 1'000;
            each.idle_s = 12;
            each.age_is_least = true;
            each.thread_id = std::int32_t(4'000 + each.id);
            each.native.add("Host",
                            each.address ? each.address->text() : each.host_name + ":41235");
            each.native.add("TID", std::to_string(*each.thread_id));
        };
        row(test::thread(*this, connect(web, "10.0.0.7:41234", db)));
        row(test::thread_by_name(*this, connect(web, "10.0.0.7:41235", db), "web1.example"));
        connect_unix(20, 31);
        ServerClient& by_path = unix_row(90, 31);
        by_path.command = "Query";
        by_path.state = "Sending data";
        by_path.thread_id = 4'090;
        by_path.native.add("Host", "localhost");
        by_path.native.add("TID", "4090");
        const std::size_t cache = redis(where, "10.0.0.1:6379", 501);
        connect(web, "10.0.0.7:41236", cache);
        for (Socket& each : sample.sockets) each.timer = {TimerKind::keepalive, 120'000, 0};
    }
    json parsed() {
        const Report its = report();
        return json::parse(test::json_of({}, sample, its));
    }
};

TEST(MysqlJson, TheWholeReport) {
    BothKinds world;
    json report = world.parsed();
    report["generator"]["version"] = "";
    test::expect_golden("mysql", report.dump(2) + "\n", ".json");
}

TEST(MysqlJson, KindsAndRows) {
    BothKinds world;
    const json report = world.parsed();
    EXPECT_EQ(report["servers"][0]["kind"], "mariadb");
    EXPECT_EQ(report["servers"][1]["kind"], "redis");
    EXPECT_EQ(report["servers"][0]["timeout_s"], 28'800);
    EXPECT_EQ(report["servers"][0]["interactive_timeout_s"], 3'600);
    EXPECT_EQ(report["servers"][0]["max_used_connections"], 17);
    EXPECT_EQ(report["servers"][0]["aborted_clients"], 3);
    EXPECT_EQ(report["servers"][0]["aborted_connects"], 2);
    EXPECT_EQ(report["servers"][1]["aborted_clients"], nullptr);
    json rows = json::array();
    for (const json& each : report["connections"]) {
        EXPECT_FALSE(each.contains("redis") || each.contains("mysql"));
        if (each["server"]["port"] == 6379)
            EXPECT_EQ(each["listed"]["kind"], "redis");
        else
            rows.push_back(each["listed"]);
    }
    EXPECT_EQ(rows, json::parse(R"([
        {"kind": "mariadb", "id": 3, "name": null, "user": "shop", "database": "shop",
         "command": "Sleep", "state": null, "idle_s": 12, "age_s": null, "transaction_s": null,
         "memory_bytes": null, "client_pid": null,
         "native": {"Host": "10.0.0.7:41234", "TID": "4003"}},
        {"kind": "mariadb", "id": 4, "name": null, "user": "shop", "database": "shop",
         "command": "Sleep", "state": null, "idle_s": 12, "age_s": null, "transaction_s": null,
         "memory_bytes": null, "client_pid": null,
         "native": {"Host": "web1.example:41235", "TID": "4004"}},
        {"kind": "mariadb", "id": 90, "name": null, "user": "shop", "database": null,
         "command": "Query", "state": "Sending data", "idle_s": 5, "age_s": null,
         "transaction_s": null, "memory_bytes": null, "client_pid": null,
         "native": {"Host": "localhost", "TID": "4090"}}])"));
}

TEST(MysqlJson, WhatIsNotKnownIsNull) {
    ByPath world;
    const NetnsId web = world.host("web1", "10.0.0.7");
    world.cable(*world.sample.servers[world.db].netns, web);
    world.unlist(world.connect(web, "10.0.0.7:41234", world.db));
    ServerClient& row = world.answer(world.db).clients.emplace_back();
    row.id = 7;
    row.address = test::end("10.0.0.9:41234");
    const Report its = world.report();
    const json report = json::parse(test::json_of({}, world.sample, its));
    for (const char* absent : {"interactive_timeout_s", "max_used_connections", "aborted_clients",
                               "aborted_connects", "timeout_s"})
        EXPECT_TRUE(report["servers"][0][absent].is_null()) << absent;
    EXPECT_TRUE(report["connections"][0]["listed"].is_null());
}

TEST(MysqlJson, HostileBytesStayValidUtf8) {
    BothKinds world;
    for (ServerClient& row : world.answer(world.db).clients) {
        row.user = "\xff\x1b[31m\"\\";
        row.native.add("Host", row.user);
        row.database = row.command = row.state = row.user;
    }
    const json report = world.parsed();  // throws on invalid UTF-8
    EXPECT_EQ(report["connections"][1]["listed"]["native"]["Host"], "\xef\xbf\xbd\x1b[31m\"\\");
}

}  // namespace
}  // namespace connleak

// What connections are for, and what takes the slots of maxclients.
#include "diagnosis/holders/purpose.h"

#include <gtest/gtest.h>

#include "diagnosis/findings/findings.h"

namespace connleak {
namespace {

Endpoint end(std::string_view text) {
    return Endpoint::parse(text).value();
}

// One connection of one server, as far as its purpose is concerned.
struct Link {
    Sample sample;
    Socket socket;
    ServerClient row;
    Connection connection;

    explicit Link(ServerKind kind = ServerKind::redis) {
        sample.servers.emplace_back().kind = kind;
        connection.client_end = end("10.0.0.2:40000");
    }
    Link& listed(std::optional<Purpose> as) {
        row.purpose = as;
        connection.row = &row;
        return *this;
    }
    Link& held_by(std::string comm, std::string command = "") {
        socket.inode = 7;
        sample.processes.owners[7] = {{99, 5}};
        Process& process = sample.processes.by_pid[99];
        process.pid = 99;
        process.comm = std::move(comm);
        process.command = std::move(command);
        connection.client_socket = &socket;
        return *this;
    }
    [[nodiscard]] Purpose purpose() const { return purpose_of(sample, connection); }
    std::string name() {
        connection.purpose = purpose();
        return link_name(sample, connection);
    }
};

TEST(Purpose, ByTheServersRow) {
    using enum Purpose;
    for (const Purpose told : {client, replication, monitor, sentinel})
        EXPECT_EQ(Link().listed(told).purpose(), told);
    EXPECT_EQ(Link(ServerKind::mariadb).listed(replication).purpose(), replication);
    // Not even a replica of its own kind is a link where no protocol is spoken.
    EXPECT_EQ(Link(ServerKind::tcp).held_by("redis-server").purpose(), client);
}

TEST(Purpose, ByTheProcessWhereNoRowTells) {
    using enum Purpose;
    EXPECT_EQ(Link().purpose(), client);
    EXPECT_EQ(Link().held_by("php-fpm8.2").purpose(), client);
    for (const char* comm :
         {"redis-server", "valkey-server", "keydb-server", "dragonfly", "mysqld", "mariadbd"})
        EXPECT_EQ(Link().held_by(comm, "redis-server *:6379").purpose(), replication) << comm;
    EXPECT_EQ(Link().held_by("redis-sentinel").purpose(), sentinel);
    EXPECT_EQ(Link().held_by("mysqld_exporter").purpose(), client) << "no server";
    EXPECT_EQ(Link().held_by("redis-server", "redis-server *:26379 [sentinel]").purpose(),
              sentinel);
    // A row that tells: another program of the replica's host, or MIGRATE.
    EXPECT_EQ(Link().held_by("redis-server", "redis-server *:6379").listed(client).purpose(),
              client);
    // Dragonfly's rows have no flags.
    EXPECT_EQ(Link(ServerKind::dragonfly).held_by("dragonfly").listed(std::nullopt).purpose(),
              replication);
}

TEST(Purpose, ANameAloneHidesNoLeak) {
    EXPECT_EQ(Link().held_by("python3").listed(Purpose::sentinel).purpose(), Purpose::client);
    EXPECT_EQ(Link().held_by("redis-sentinel").listed(Purpose::sentinel).purpose(),
              Purpose::sentinel);
}

TEST(Purpose, LinksHaveNames) {
    Link replica;
    replica.listed(Purpose::replication);
    EXPECT_EQ(replica.name(), "redis replica 10.0.0.2");
    auto& told = replica.sample.servers[0].answer.topology.replicas;
    told = {end("10.0.0.9:6379"), end("10.0.0.2:6380")};
    EXPECT_EQ(replica.name(), "redis replica 10.0.0.2:6380") << "where it listens";
    told.push_back(end("10.0.0.2:6381"));
    EXPECT_EQ(replica.name(), "redis replica 10.0.0.2") << "one of two";
    EXPECT_EQ(Link(ServerKind::valkey).listed(Purpose::replication).name(),
              "valkey replica 10.0.0.2");
    EXPECT_EQ(Link().listed(Purpose::sentinel).name(), "sentinel 10.0.0.2");
    EXPECT_EQ(Link().listed(Purpose::client).name(), "");
    EXPECT_EQ(Link().listed(Purpose::monitor).name(), "");
}

TEST(Slots, AreTakenByReplicasAndTheClusterToo) {
    Server server;
    EXPECT_EQ(client_slots(server), std::nullopt);
    server.answer.connected_clients = 10;
    EXPECT_EQ(client_slots(server), 10U);
    EXPECT_EQ(others_in_slots(server), "");
    server.answer.topology.connected_replicas = 2;
    EXPECT_EQ(client_slots(server), 12U);
    EXPECT_EQ(others_in_slots(server), ", with 2 replicas");
    server.answer.topology.cluster_connections = 4;
    EXPECT_EQ(client_slots(server), 16U);
    EXPECT_EQ(others_in_slots(server), ", with 2 replicas and 4 links of the cluster");
    server.kind = ServerKind::dragonfly;
    EXPECT_EQ(client_slots(server), 10U);
}

TEST(Slots, AreThoseOfTheListWhereTheCountCannotBeRight) {
    Server server;
    server.kind = ServerKind::dragonfly;
    server.answer.connected_clients = 4'294'964'742;
    server.answer.listed_clients = 50;
    EXPECT_EQ(client_slots(server), 4'294'964'742U);
    server.answer.counts_disagree = true;
    EXPECT_EQ(client_slots(server), 50U);
}

}  // namespace
}  // namespace connleak

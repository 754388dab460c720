// What real servers have answered, of every kind and age that a recording was found of:
// data/redis/SOURCES.md.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "probes/redis/decode.h"

namespace connleak::probes {
namespace {

std::string recorded(const std::string& name) {
    const std::ifstream file(TEST_DATA "/unit/data/redis/" + name);
    EXPECT_TRUE(file) << name;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

ServerAnswer info(const std::string& name) {
    ServerAnswer answer;
    apply_info(recorded(name), answer);
    return answer;
}

std::vector<ServerClient> clients(const std::string& name) {
    ClientList list = parse_client_list(recorded(name));
    EXPECT_EQ(list.dropped_lines, 0U) << name;
    return std::move(list.clients);
}

Endpoint end(std::string_view text) {
    return Endpoint::parse(text).value();
}

TEST(Recordings, ValkeyHasItsOwnNameForItsMode) {
    const ServerAnswer answer = info("info-valkey-8.1.1.txt");
    EXPECT_EQ(answer.kind, ServerKind::valkey);
    EXPECT_EQ(answer.version, "8.1.1");
    EXPECT_EQ(answer.topology.mode, ServerMode::standalone);
    EXPECT_EQ(answer.topology.role, ServerRole::replica);
    EXPECT_EQ(answer.topology.master, end("127.0.0.1:7777"));
    EXPECT_EQ(answer.topology.cluster_connections, 0U);
    EXPECT_EQ(answer.maxclients, 10000U);
    const auto rows = clients("clients-valkey-8.1.1.txt");
    ASSERT_GE(rows.size(), 3U);
    EXPECT_EQ(rows[0].native.find("flags"), "S");
    EXPECT_EQ(rows[0].local_address, end("127.0.0.1:7777"));
}

TEST(Recordings, Redis8) {
    const ServerAnswer answer = info("info-redis-8.0.2.txt");
    EXPECT_EQ(answer.kind, ServerKind::redis);
    EXPECT_EQ(answer.version, "8.0.2");
    EXPECT_EQ(answer.topology.mode, ServerMode::standalone);
    EXPECT_EQ(answer.topology.role, ServerRole::replica);
    EXPECT_EQ(answer.topology.master_link_up, true);
    EXPECT_EQ(answer.topology.connected_replicas, 0U);
    const auto rows = clients("clients-redis-8.0.2.txt");
    ASSERT_EQ(rows.size(), 4U);
    EXPECT_EQ(rows[0].native.find("flags"), "S") << "the master's row of its replica";
    EXPECT_EQ(rows[2].native.find("flags"), "M") << "the replica's row of its master";
}

TEST(Recordings, ARedisThatSentinelsWatch) {
    const auto rows = clients("clients-sentinel-7.0.15.txt");
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].native.find("flags"), "S");
    EXPECT_EQ(rows[1].name, "sentinel-7b64dfde-cmd");
    EXPECT_EQ(rows[2].name, "sentinel-7b64dfde-pubsub");
    EXPECT_EQ(rows[2].native.find("sub"), "1");
}

TEST(Recordings, KeyDb) {
    const ServerAnswer answer = info("info-keydb-6.3.4.txt");
    EXPECT_EQ(answer.kind, ServerKind::keydb);
    EXPECT_EQ(answer.version, "6.3.4");
    EXPECT_EQ(answer.run_id, "34995c484792a84ae5ae5b8ce79b8d7d2673c403");
    EXPECT_EQ(answer.process_id, 78054);
    EXPECT_EQ(answer.connected_clients, 1U);
    EXPECT_EQ(answer.maxclients, 10000U);
    EXPECT_EQ(answer.total_connections_received, 1633U);
    EXPECT_EQ(answer.topology.mode, ServerMode::standalone);
    EXPECT_EQ(answer.topology.role, ServerRole::master);
    const auto old = clients("clients-keydb-6.0.18.txt");
    ASSERT_EQ(old.size(), 5U);
    EXPECT_EQ(old[0].address, end("10.0.25.8:38514"));
    EXPECT_EQ(old[0].local_address, std::nullopt);
    EXPECT_EQ(old[0].fd, 73);
    EXPECT_EQ(old[0].user, "default");
    EXPECT_EQ(old[3].native.find("flags"), "P");
    EXPECT_EQ(old[4].native.find("flags"), "x");
    const auto rows = clients("clients-keydb-6.2.txt");
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1].id, 2598U);
    EXPECT_EQ(rows[1].local_address, end("172.17.0.2:6379"));
}

TEST(Recordings, Dragonfly) {
    const ServerAnswer answer = info("info-dragonfly-1.33.0.txt");
    EXPECT_EQ(answer.kind, ServerKind::dragonfly);
    EXPECT_EQ(answer.version, "df-v1.33.0");
    EXPECT_EQ(answer.connected_clients, 15U);
    EXPECT_EQ(answer.maxclients, 64000U);
    EXPECT_EQ(answer.run_id, "") << "it tells none";
    EXPECT_EQ(answer.process_id, 1);
    EXPECT_EQ(answer.topology.mode, ServerMode::standalone);
    // A count that has run away below 0.
    EXPECT_EQ(info("info-dragonfly-1.21.2.txt").connected_clients, 4'294'964'742U);
    const ServerAnswer first = info("info-dragonfly-1.1.2.txt");
    EXPECT_EQ(first.kind, ServerKind::dragonfly);
    EXPECT_EQ(first.version, "df-v1.1.2");
    EXPECT_EQ(first.rejected_connections, std::nullopt);
    EXPECT_EQ(first.maxclients, std::nullopt);
    const ServerTopology replica = info("replica-dragonfly-1.12.0.txt").topology;
    EXPECT_EQ(replica.role, ServerRole::replica);
    EXPECT_EQ(replica.master, std::nullopt) << "a name is no address";
    EXPECT_EQ(replica.master_link_up, true);
    const auto rows = clients("clients-dragonfly.txt");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].id, 6U);
    EXPECT_EQ(rows[0].address, end("127.0.0.1:40390"));
    EXPECT_EQ(rows[0].fd, 24);
    EXPECT_EQ(rows[0].idle_s, 0);
    EXPECT_EQ(rows[0].native.find("flags"), std::nullopt) << "it tells none";
    EXPECT_EQ(rows[0].purpose, std::nullopt);
}

TEST(Recordings, OldRedis) {
    const auto first = clients("clients-redis-2.6.2.txt");
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[0].id, 0U);
    EXPECT_EQ(first[0].address, end("192.0.2.100:47191"));
    EXPECT_EQ(first[0].age_s, 371119);
    EXPECT_EQ(first[0].name, std::nullopt) << "CLIENT SETNAME came with 2.6.9";
    EXPECT_EQ(first[0].command, "rpush");
    const auto second = clients("clients-redis-2.8.txt");
    ASSERT_EQ(second.size(), 2U);
    EXPECT_EQ(second[1].command, "NULL");
    EXPECT_EQ(second[1].idle_s, 1737467);
    const auto third = clients("clients-redis-3.0.6.txt");
    ASSERT_EQ(third.size(), 3U);
    EXPECT_EQ(third[1].native.find("psub"), "1");
    EXPECT_EQ(third[1].id, 75748U);
    const auto fifth = clients("clients-redis-5.0.3.txt");
    ASSERT_EQ(fifth.size(), 2U);
    EXPECT_EQ(fifth[0].fd, 931);
    EXPECT_EQ(fifth[0].user, "");
}

}  // namespace
}  // namespace connleak::probes

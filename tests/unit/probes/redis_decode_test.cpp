#include "probes/redis/decode.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>

namespace connleak::probes {
namespace {

ServerClient row(std::string_view line) {
    ClientList list = parse_client_list(line);
    EXPECT_EQ(list.dropped_lines, 0U);
    if (list.clients.size() != 1) {
        ADD_FAILURE() << list.clients.size() << " clients in " << line;
        return {};
    }
    return list.clients[0];
}

std::string shown(const std::optional<std::int64_t>& number) {
    return number ? std::to_string(*number) : "-";
}

std::string shown(const ServerClient& client, std::string_view native, const char* absent = "-") {
    return std::string(client.native.find(native).value_or(absent));
}

// What there is in every version; "-" for absent.
std::string shown(const ServerClient& client) {
    std::ostringstream text;
    text << client.id << " " << (client.address ? client.address->text() : "-") << " "
         << (client.local_address ? client.local_address->text() : "-") << " path=" << client.path
         << " name=" << client.name.value_or("") << " flags=" << shown(client, "flags", "")
         << " user=" << client.user << " cmd=" << client.command
         << " lib=" << shown(client, "lib-name", "") << "/" << shown(client, "lib-ver", "")
         << " fd=" << (client.fd ? std::to_string(*client.fd) : "-")
         << " age=" << shown(client.age_s) << " idle=" << shown(client.idle_s)
         << " db=" << (client.database.empty() ? "-" : client.database)
         << " sub=" << shown(client, "sub") << " psub=" << shown(client, "psub")
         << " qbuf=" << shown(client, "qbuf") << " omem=" << shown(client, "omem")
         << " mem=" << shown(client.memory_bytes);
    return text.str();
}

std::string shown(std::string_view line) {
    return shown(row(line));
}

TEST(ClientListRow, APathWithNewlines) {
    const std::string path = "/run/a\nid b:0 c\n\n.sock";
    const std::string list = "id=5 addr=" + path + ":0 laddr=" + path +
                             ":0 fd=10 name= age=2 idle=3 flags=U\n"
                             "id=6 addr=10.0.0.2:1 fd=11 name=addr=/x age=2 idle=2 flags=N\n"
                             "id=7 addr=/cut off\nid=8 addr=/run/b:0 fd=9 flags=U\n";
    const ClientList parsed = parse_client_list(list);
    EXPECT_EQ(parsed.dropped_lines, 0U);
    ASSERT_EQ(parsed.clients.size(), 4U);
    EXPECT_EQ(parsed.clients[0].id, 5U);
    EXPECT_EQ(parsed.clients[0].path, path);
    EXPECT_EQ(parsed.clients[0].fd, 10);
    EXPECT_EQ(parsed.clients[1].name, "addr=/x");
    EXPECT_EQ(parsed.clients[2].id, 7U);
    EXPECT_EQ(parsed.clients[3].id, 8U);
}

TEST(ClientListRow, OfEachVersion) {
    // 2.6
    EXPECT_EQ(shown("addr=127.0.0.1:52555 fd=5 age=855 idle=1 flags=N db=0 sub=0 psub=0 multi=-1 "
                    "qbuf=7 qbuf-free=32768 obl=0 oll=0 omem=9 events=r cmd=client"),
              "0 127.0.0.1:52555 - path= name= flags=N user= cmd=client lib=/ fd=5 age=855 idle=1 "
              "db=0 sub=0 psub=0 qbuf=7 omem=9 mem=-");
    // 2.8.12
    EXPECT_EQ(shown("id=3 addr=10.0.0.2:52555 fd=5 name=w age=855 idle=0 flags=O db=0 sub=1 psub=2 "
                    "multi=-1 qbuf=0 qbuf-free=32768 obl=0 oll=0 omem=0 events=r cmd=monitor"),
              "3 10.0.0.2:52555 - path= name=w flags=O user= cmd=monitor lib=/ fd=5 age=855 idle=0 "
              "db=0 sub=1 psub=2 qbuf=0 omem=0 mem=-");
    // 3.2, IPv6
    EXPECT_EQ(
        shown("id=3 addr=[2001:db8::2]:52555 fd=6 name= age=8 idle=8 flags=S db=0 sub=0 psub=0 "
              "multi=-1 qbuf=0 qbuf-free=0 obl=0 oll=0 omem=0 events=r cmd=replconf"),
        "3 [2001:db8::2]:52555 - path= name= flags=S user= cmd=replconf lib=/ fd=6 age=8 idle=8 "
        "db=0 sub=0 psub=0 qbuf=0 omem=0 mem=-");
    // 4.0 and 5.0: a unix socket, and a command that is none yet
    EXPECT_EQ(
        shown("id=5 addr=/run/redis/redis.sock:0 fd=10 name= age=2 idle=2 flags=U db=0 sub=0 "
              "psub=0 multi=-1 qbuf=0 qbuf-free=0 obl=0 oll=0 omem=0 events=r cmd=NULL"),
        "5 - - path=/run/redis/redis.sock name= flags=U user= cmd=NULL lib=/ fd=10 age=2 idle=2 "
        "db=0 sub=0 psub=0 qbuf=0 omem=0 mem=-");
    // 6.0: user at the end
    EXPECT_EQ(
        shown("id=5 addr=10.0.0.2:1 fd=10 name= age=2 idle=2 flags=N db=3 sub=0 psub=0 multi=-1 "
              "qbuf=26 qbuf-free=32742 obl=0 oll=0 omem=0 events=r cmd=client user=ann"),
        "5 10.0.0.2:1 - path= name= flags=N user=ann cmd=client lib=/ fd=10 age=2 idle=2 db=3 "
        "sub=0 psub=0 qbuf=26 omem=0 mem=-");
    // 6.2: laddr, tot-mem
    EXPECT_EQ(
        shown("id=5 addr=10.0.0.2:1 laddr=10.0.0.1:6379 fd=10 name= age=2 idle=2 flags=N db=3 "
              "sub=0 psub=0 multi=-1 qbuf=26 qbuf-free=40928 argv-mem=10 obl=0 oll=0 omem=0 "
              "tot-mem=61466 events=r cmd=client user=default redir=-1"),
        "5 10.0.0.2:1 10.0.0.1:6379 path= name= flags=N user=default cmd=client lib=/ fd=10 "
        "age=2 idle=2 db=3 sub=0 psub=0 qbuf=26 omem=0 mem=61466");
    // 7.0
    EXPECT_EQ(
        shown("id=5 addr=10.0.0.2:1 laddr=10.0.0.1:6379 fd=10 name= age=2 idle=2 flags=P db=0 "
              "sub=4 psub=1 ssub=0 multi=-1 qbuf=0 qbuf-free=20474 argv-mem=0 multi-mem=0 "
              "rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=22298 events=r cmd=subscribe "
              "user=default redir=-1 resp=2"),
        "5 10.0.0.2:1 10.0.0.1:6379 path= name= flags=P user=default cmd=subscribe lib=/ fd=10 "
        "age=2 idle=2 db=0 sub=4 psub=1 qbuf=0 omem=0 mem=22298");
    // 7.2, 7.4 (watch) and 8.0 (io-thread, tot-*)
    EXPECT_EQ(
        shown("id=5 addr=10.0.0.2:1 laddr=10.0.0.1:6379 fd=10 name= age=2 idle=2 flags=N db=0 "
              "sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 "
              "rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=1928 events=r cmd=client|setinfo "
              "user=default redir=-1 resp=3 lib-name=redis-py lib-ver=5.0.1 io-thread=0 "
              "tot-net-in=61 tot-net-out=10 tot-cmds=2"),
        "5 10.0.0.2:1 10.0.0.1:6379 path= name= flags=N user=default cmd=client|setinfo "
        "lib=redis-py/5.0.1 fd=10 age=2 idle=2 db=0 sub=0 psub=0 qbuf=0 omem=0 mem=1928");
    // Valkey 8.1
    EXPECT_EQ(
        shown("id=9 addr=10.0.0.2:1 laddr=10.0.0.1:6379 fd=10 name= age=2 idle=2 flags=N capa=r "
              "db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 "
              "multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 tot-mem=17152 events=r "
              "cmd=get user=default redir=-1 resp=2 lib-name= lib-ver= tot-net-in=41 "
              "tot-net-out=83 tot-cmds=1"),
        "9 10.0.0.2:1 10.0.0.1:6379 path= name= flags=N user=default cmd=get lib=/ fd=10 age=2 "
        "idle=2 db=0 sub=0 psub=0 qbuf=0 omem=0 mem=17152");
    // Dragonfly: no cmd, no sub; older ones write IPv6 without brackets
    EXPECT_EQ(
        shown("id=2 addr=::1:41722 laddr=::1:6379 fd=14 name= tid=0 irqmatch=1 pipeline=3 pbuf=0 "
              "age=5 idle=0 tot-cmds=4 db=0 flags= phase=process lib-name= lib-ver="),
        "2 [::1]:41722 [::1]:6379 path= name= flags= user= cmd= lib=/ fd=14 age=5 idle=0 db=0 "
        "sub=- psub=- qbuf=- omem=- mem=-");
    // KeyDB 6.3
    EXPECT_EQ(
        shown("id=7 addr=127.0.0.1:1 laddr=127.0.0.1:6379 fd=21 name=x age=2 idle=2 flags=N db=0 "
              "sub=0 psub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 obl=0 oll=0 omem=0 "
              "tot-mem=20512 events=r cmd=ping user=default redir=-1"),
        "7 127.0.0.1:1 127.0.0.1:6379 path= name=x flags=N user=default cmd=ping lib=/ fd=21 "
        "age=2 idle=2 db=0 sub=0 psub=0 qbuf=0 omem=0 mem=20512");
}

// "name=value" of each; "name" for one without a value.
std::string natives(std::string_view line) {
    std::string text;
    row(line).native.each([&](std::string_view name, NativeFields::Value value) {
        text += (text.empty() ? "" : " ") + std::string(name);
        if (value) text += '=' + std::string(*value);
    });
    return text;
}

TEST(ClientListRow, WhatOnlyRedisHasIsKeptUnderItsNames) {
    EXPECT_EQ(natives("id=5 addr=10.0.0.2:1 laddr=10.0.0.1:6379 fd=10 name=x age=2 idle=2 flags=N "
                      "db=0 sub=1 psub=0 ssub=0 multi=-1 qbuf=7 omem=0 tot-mem=1928 events=r "
                      "cmd=get user=ann redir=-1 resp=3 lib-name=a b lib-ver= io-thread=0"),
              "fd=10 flags=N sub=1 psub=0 ssub=0 multi=-1 qbuf=7 omem=0 events=r redir=-1 resp=3 "
              "lib-name=a b lib-ver io-thread=0");
    EXPECT_EQ(natives("addr=1.2.3.4:5"), "flags fd sub psub qbuf omem lib-name lib-ver")
        << "of an old version: there, and not known";
    EXPECT_EQ(natives("addr=1.2.3.4:5 fd=8 flags= sub=0 psub=0 qbuf=0 x=1 omem=0 lib-name= x=2 "
                      "lib-ver=1"),
              "fd=8 flags sub=0 psub=0 qbuf=0 omem=0 lib-name x=2 lib-ver=1")
        << "each name once, the last one counts";
}

TEST(ClientListRow, WhatTheConnectionIsFor) {
    using enum Purpose;
    const auto purpose = [](const std::string& flags, const std::string& name = "") {
        return row("id=1 addr=1.2.3.4:5 name=" + name + " flags=" + flags).purpose;
    };
    EXPECT_EQ(purpose("N"), client);
    EXPECT_EQ(purpose("S"), replication);
    EXPECT_EQ(purpose("SC"), replication) << "Redis 8 sends the RDB apart";
    EXPECT_EQ(purpose("O"), monitor);
    EXPECT_EQ(purpose("P", "sentinel-7b64dfde-pubsub"), sentinel);
    EXPECT_EQ(purpose("N", "sentinel-7b64dfde-cmd"), sentinel);
    for (const char* other :
         {"sentinel-7b64dfde-", "sentinel-7b64dfd-cmd", "sentinel-7b64dfdex-cmd",
          "sentinel-7B64dfde-cmd", "sentinel-cmd", "my-sentinel-7b64dfde-cmd"})
        EXPECT_EQ(purpose("N", other), client) << other;
    EXPECT_EQ(purpose(""), std::nullopt) << "Dragonfly tells no flags";
}

TEST(ClientListRow, WhomTheTimeoutSpares) {
    const auto exempt = [](const std::string& fields) {
        return row("id=1 addr=1.2.3.4:5 " + fields).exempt;
    };
    EXPECT_EQ(exempt("flags=N"), std::nullopt);
    EXPECT_EQ(exempt("flags=x sub=0"), std::nullopt);
    EXPECT_EQ(exempt("flags=S"), Exempt::replica);
    EXPECT_EQ(exempt("flags=O"), Exempt::monitor);
    EXPECT_EQ(exempt("flags=SO"), Exempt::monitor);
    EXPECT_EQ(exempt("flags=b"), Exempt::blocked);
    EXPECT_EQ(exempt("flags=xb"), Exempt::blocked);
    EXPECT_EQ(exempt("flags=P"), Exempt::subscriber);
    EXPECT_EQ(exempt("psub=1"), Exempt::subscriber) << "a version without the mark";
    EXPECT_EQ(exempt("sub=1 psub=0"), Exempt::subscriber);
    EXPECT_EQ(exempt("flags=M"), Exempt::master);
    EXPECT_TRUE(row("id=1 addr=1.2.3.4:5 flags=M").opened_by_server);
    EXPECT_FALSE(row("id=1 addr=1.2.3.4:5 flags=S").opened_by_server);
    EXPECT_TRUE(row("id=1 addr=?:0 flags=U").by_unix_socket);
}

TEST(ClientListRow, TakesAnyName) {
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 fd=8 name=a=b=c age=1").name, "a=b=c");
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 fd=8 name==x= age=1").name, "=x=");
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 fd=8 name=\x1b[2J|\xff age=1").name, "\x1b[2J|\xff");
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 fd=8 name=id=9 age=1").id, 1U);
    EXPECT_EQ(row(std::string_view("id=1 name=a\0b age=4", 20)).name, std::string_view("a\0b", 3));
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 name=").name, "");
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5").name, std::nullopt);
}

TEST(ClientListRow, TakesPathsWithBlanks) {
    EXPECT_EQ(row("id=1 addr=/run/my redis/s.sock:0 laddr=/run/my redis/s.sock:0 fd=8 name=x").path,
              "/run/my redis/s.sock");
    EXPECT_EQ(row("addr=/run/a b=c/id=7 d.sock:0 fd=8 name=x").path, "/run/a b=c/id=7 d.sock");
    EXPECT_EQ(row("addr=/run/a b=c/id=7 d.sock:0 fd=8 name=x").id, 0U);
    EXPECT_EQ(row("addr=/run/two  blanks.sock:0 fd=8 name=x").path, "/run/two  blanks.sock");
    // Redis cuts a long path off, its ":0" included.
    const ServerClient cut =
        row("id=1 addr=/srv/a very long/pa laddr=/srv/a very long/pa fd=8 name=x");
    EXPECT_EQ(cut.path, "/srv/a very long/pa");
    EXPECT_EQ(cut.fd, 8);
    EXPECT_EQ(cut.name, "x");
}

TEST(ClientListRow, LeavesOutWhatIsBroken) {
    const ServerClient broken =
        row("id=-4 addr=?:0 laddr=1.2.3.4:99999 fd=-2 age=99999999999999999999 idle=-1 db=1x sub= "
            "psub=+1 tot-mem=18446744073709551615 omem=5");
    EXPECT_EQ(
        shown(broken),
        "0 - - path= name= flags= user= cmd= lib=/ fd=- age=- idle=- db=- sub=- psub=+1 qbuf=- "
        "omem=5 mem=-")
        << "what is only passed on stands as it came";
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 fd=-1").fd, -1);
    EXPECT_EQ(row("id=1 age=10000000001").age_s, std::nullopt);
    EXPECT_EQ(row("id=1 addr=::ffff:10.0.0.1:55").address, Endpoint::parse("10.0.0.1:55"));
    EXPECT_EQ(row("id=1 addr=fe80::1%eth0:55").address, Endpoint::parse("[fe80::1]:55"));
    EXPECT_EQ(row("id=1 addr=[::1]").address, std::nullopt);
    EXPECT_EQ(row("id=1 addr=").address, std::nullopt);
    // A client has an address or a path, also in a row that names both.
    EXPECT_EQ(row("id=1 addr=1.2.3.4:5 addr=/run/s:0").address, std::nullopt);
    EXPECT_EQ(row("id=1 addr=/run/s:0 addr=1.2.3.4:5").path, "");
}

TEST(ClientList, CountsLinesThatAreNoClients) {
    EXPECT_EQ(parse_client_list("").clients.size(), 0U);
    EXPECT_EQ(parse_client_list("\n\r\n\n").dropped_lines, 0U);
    const ClientList list = parse_client_list(
        "id=1 addr=1.2.3.4:5\r\nwhat?\n \nname=x age=3\n stray id=2\n\nid=3 addr=1.2.3.4:6");
    ASSERT_EQ(list.clients.size(), 3U);
    EXPECT_EQ(list.clients[0].address, Endpoint::parse("1.2.3.4:5"));
    EXPECT_EQ(list.clients[1].id, 2U);
    EXPECT_EQ(list.clients[2].id, 3U);
    EXPECT_EQ(list.dropped_lines, 3U);
}

TEST(ClientList, OfTwentyThousandClients) {
    std::string text;
    for (int i = 0; i < 20'000; ++i)
        text +=
            "id=" + std::to_string(i + 1) + " addr=10.0." + std::to_string(i / 250) + "." +
            std::to_string(i % 250) +
            ":52555 laddr=10.0.0.1:6379 fd=10 name= age=2 idle=2 flags=N db=0 sub=0 psub=0 ssub=0 "
            "multi=-1 qbuf=0 qbuf-free=20474 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 "
            "omem=0 tot-mem=22298 events=r cmd=ping user=default redir=-1 resp=2\n";
    const auto start = std::chrono::steady_clock::now();
    const ClientList list = parse_client_list(text);
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(list.clients.size(), 20'000U);
    EXPECT_EQ(list.clients.back().id, 20'000U);
    RecordProperty("microseconds", static_cast<int>(took / std::chrono::microseconds(1)));
    EXPECT_LT(took, std::chrono::seconds(1));  // a few milliseconds, without sanitizers
}

ServerAnswer info(std::string_view text) {
    ServerAnswer answer;
    apply_info(text, answer);
    return answer;
}

TEST(Info, OfRedis) {
    const std::ifstream file(TEST_DATA "/unit/data/redis/info-7.0.15.txt");
    std::stringstream text;
    text << file.rdbuf();
    const ServerAnswer answer = info(text.str());
    EXPECT_EQ(answer.kind, ServerKind::redis);
    EXPECT_EQ(answer.version, "7.0.15");
    EXPECT_EQ(answer.run_id.size(), 40U);
    EXPECT_EQ(answer.maxclients, 10000U);
    EXPECT_EQ(answer.connected_clients, 4U);
    EXPECT_EQ(answer.blocked_clients, 0U);
    EXPECT_EQ(answer.rejected_connections, 0U);
    EXPECT_EQ(answer.total_connections_received, 5U);
    EXPECT_TRUE(answer.process_id);
    EXPECT_TRUE(answer.uptime_s);
}

TEST(Info, TellsTheForksApart) {
    const ServerAnswer valkey = info(
        "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n"
        "executable:/usr/bin/valkey-server\r\n");
    EXPECT_EQ(valkey.kind, ServerKind::valkey);
    EXPECT_EQ(valkey.version, "8.1.1");
    EXPECT_EQ(info("redis_version:7.2.4\nserver_name:valkey\n").version, "7.2.4");
    const ServerAnswer dragonfly = info(
        "# "
        "Server\r\nredis_version:6.2.11\r\ndragonfly_version:df-v1.14.0\r\nredis_mode:"
        "standalone\r\n"
        "# Clients\r\nconnected_clients:2\r\nmax_clients:64000\r\n");
    EXPECT_EQ(dragonfly.kind, ServerKind::dragonfly);
    EXPECT_EQ(dragonfly.version, "df-v1.14.0");
    EXPECT_EQ(dragonfly.maxclients, 64000U);
    EXPECT_EQ(dragonfly.process_id, std::nullopt);
    const ServerAnswer keydb = info(
        "redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server\r\n# KeyDB\r\nmvcc_depth:0\r\n");
    EXPECT_EQ(keydb.kind, ServerKind::keydb);
    EXPECT_EQ(keydb.version, "6.3.4");
    EXPECT_EQ(info("redis_version:6.3.4\r\nexecutable:/x/y\r\nmvcc_depth:0").kind,
              ServerKind::keydb);
    EXPECT_EQ(info("redis_version:7.0.0\r\nexecutable:/opt/keydb/redis-server").kind,
              ServerKind::redis);
}

TEST(Info, LeavesOutWhatIsBroken) {
    const ServerAnswer empty = info("");
    EXPECT_EQ(empty.kind, ServerKind::redis);
    EXPECT_EQ(empty.version, "");
    EXPECT_EQ(empty.connected_clients, std::nullopt);
    const ServerAnswer broken = info(
        "process_id:0\nconnected_clients:-1\nmaxclients:ten\nblocked_clients:\n"
        "rejected_connections:99999999999999999999\nuptime_in_seconds: "
        "5\ntotal_connections_received");
    EXPECT_EQ(broken.process_id, std::nullopt);
    EXPECT_EQ(broken.connected_clients, std::nullopt);
    EXPECT_EQ(broken.maxclients, std::nullopt);
    EXPECT_EQ(broken.blocked_clients, std::nullopt);
    EXPECT_EQ(broken.rejected_connections, std::nullopt);
    EXPECT_EQ(broken.uptime_s, std::nullopt);
    EXPECT_EQ(broken.total_connections_received, std::nullopt);
    const auto fields = parse_info("# Server\nos:Linux 6.1: x\na:\n:b\na:second\n");
    EXPECT_EQ(fields.at("os"), "Linux 6.1: x");
    EXPECT_EQ(fields.at("a"), "");
}

}  // namespace
}  // namespace connleak::probes

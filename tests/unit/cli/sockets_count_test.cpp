// --count-by, and the two JSON forms of both outputs.
#include "cli/sockets/count.h"

#include <gtest/gtest.h>

#include "tests/unit/worlds/sockets.h"

namespace connleak::cli {
namespace {

using test::SocketsWorld;
using Keys = std::vector<CountKey>;

TcpInfo quiet_for(std::uint32_t seconds) {
    return {.last_data_sent_ms = seconds * 1000,
            .last_data_received_ms = 1000,
            .last_ack_received_ms = 1000};
}

// A server with three clients of two hosts, and a connection of its own to another server.
struct World : SocketsWorld {
    World() {
        add("0.0.0.0:6379", "0.0.0.0:0", State::listen).inode = 9;
        view.listening = {{7, 6379}};
        std::uint32_t inode = 10;
        for (const auto* remote : {"10.0.3.17:50001", "10.0.3.17:50002", "10.0.3.18:50003"}) {
            Socket& socket = add("10.0.0.1:6379", remote);
            socket.inode = inode++;
            socket.info = quiet_for(30 * (inode - 10));
        }
        Socket& outgoing = add("10.0.0.1:40000", "10.0.0.5:3306", State::close_wait);
        outgoing.inode = inode;
        outgoing.info = quiet_for(500);
        for (std::uint32_t each = 9; each < inode; ++each)
            hold(each, 100, static_cast<std::int32_t>(each), "redis-server").user = "redis";
        hold(10, 200, 10, "child").user = "root";  // shared with a later process
        Process& worker = hold(inode, 300, 4, "worker");
        worker.unit = "worker.service";
    }
    [[nodiscard]] std::vector<Count> count(const Keys& keys, std::int64_t after = 60) const {
        return count_sockets(rows, view, keys, after);
    }
};

TEST(SocketsCount, ByState) {
    const std::vector<Count> expected{
        {{"established"}, 3, 2, 90}, {{"close_wait"}, 1, 0, 500}, {{"listen"}, 1, 0, std::nullopt}};
    EXPECT_EQ(World().count({CountKey::state}), expected);
}

TEST(SocketsCount, PersistentByTheAgeThatWasAskedFor) {
    EXPECT_EQ(World().count({CountKey::state}, 61).front().persistent, 1U);
    EXPECT_EQ(World().count({CountKey::state}, 0).front().persistent, 3U);
}

TEST(SocketsCount, TheEndThatServesHasItsPort) {
    const auto peers = World().count({CountKey::peer, CountKey::local});
    std::vector<std::vector<std::string>> values;
    for (const Count& each : peers) values.push_back(each.values);
    EXPECT_EQ(values, (std::vector<std::vector<std::string>>{{"10.0.3.17", "10.0.0.1:6379"},
                                                             {"0.0.0.0", "0.0.0.0:6379"},
                                                             {"10.0.0.5:3306", "10.0.0.1"},
                                                             {"10.0.3.18", "10.0.0.1:6379"}}));
    EXPECT_EQ(peers.front().sockets, 2U);
}

TEST(SocketsCount, ASharedSocketCountsOnceForItsOldestOwner) {
    const auto counts = World().count({CountKey::process, CountKey::user});
    ASSERT_EQ(counts.size(), 2U);
    EXPECT_EQ(counts[0].values, (std::vector<std::string>{"100/redis-server", "redis"}));
    EXPECT_EQ(counts[0].sockets, 4U);
    EXPECT_EQ(counts[1].values, (std::vector<std::string>{"300/worker", ""}));
    EXPECT_EQ(World().count({CountKey::unit})[1].values.front(), "worker.service");
}

TEST(SocketsCount, ValuesThatTogetherLookAlikeStayApart) {
    SocketsWorld world;
    for (const auto& [group, unit] : {std::pair("a", "1:bc"), std::pair("a1:b", "c")}) {
        const auto number = static_cast<std::uint32_t>(world.sockets.size() + 1);
        world.add("10.0.0.1:1", "10.0.0.2:2").inode = number;
        Process& process = world.hold(number, static_cast<std::int32_t>(number), 1, group);
        process.unit = unit;
    }
    const Keys keys{CountKey::group, CountKey::unit};
    EXPECT_EQ(count_sockets(world.rows, world.view, keys, 60).size(), 2U);
}

TEST(SocketsCount, Words) {
    for (unsigned number = 0; number < 8; ++number) {
        const auto key = static_cast<CountKey>(number);
        EXPECT_EQ(parse_count_key(to_string(key)), key);
    }
    EXPECT_EQ(parse_count_key("State"), std::nullopt);
    EXPECT_EQ(parse_count_key(""), std::nullopt);
}

TEST(SocketsCount, Table) {
    World world;
    const Keys keys{CountKey::state, CountKey::group};
    std::string text;
    render::counts_table(world.count(keys), keys, {}, SocketsWorld::keep(text));
    EXPECT_EQ(text, R"(STATE       GROUP         SOCKETS  PERSISTENT  OLDEST
ESTAB       redis-server        3           2  1m 30s
CLOSE-WAIT  worker              1           0  8m 20s
LISTEN      redis-server        1           0       -
)");
}

TEST(SocketsCount, Json) {
    World world;
    const Keys keys{CountKey::state, CountKey::unit};
    const auto counts = world.count(keys);
    std::string text;
    render::counts_json(counts, keys, {}, SocketsWorld::keep(text));
    EXPECT_EQ(text, R"({
  "schema_version": 2,
  "complete": true,
  "gaps": [],
  "counts": [
    {"state":"established","unit":null,"sockets":3,"persistent":2,"oldest_s":90},
    {"state":"close_wait","unit":"worker.service","sockets":1,"persistent":0,"oldest_s":500},
    {"state":"listen","unit":null,"sockets":1,"persistent":0,"oldest_s":null}
  ]
}
)");
    text.clear();
    const std::vector<Gap> gaps{{"proc", "pid 3", "EACCES", "hidden"}};
    render::counts_ndjson(std::span(counts).first(1), keys, gaps, SocketsWorld::keep(text));
    EXPECT_EQ(
        text,
        R"({"type":"count","state":"established","unit":null,"sockets":3,"persistent":2,"oldest_s":90}
{"type":"gap","source":"proc","scope":"pid 3","error":"EACCES","effect":"hidden"}
{"type":"summary","schema_version":2,"complete":false,"counts":1}
)");
}

TEST(SocketsJson, Whole) {
    SocketsWorld world;
    Socket& socket = world.add("10.0.0.1:6379", "10.0.3.17:50001");
    socket.ipv6_socket = true;
    socket.inode = 4;
    socket.uid = 33;
    socket.info =
        TcpInfo{.last_data_sent_ms = 1, .last_data_received_ms = 2, .last_ack_received_ms = 3};
    world.add("10.0.0.1:6379", "10.0.3.17:50002", State::time_wait).timer = {TimerKind::timewait, 5,
                                                                             0};
    world.hold(4, 100, 7, "bad\xff").unit = "redis.service";
    netlink::UnixSocket& local = world.add_unix(std::string("\0a", 2), 50, 51);
    local.type = netlink::UnixType::datagram;
    world.view.devices = {{{7, 2}, "eth0"}};
    socket.interface = 2;
    socket.memory = SocketMemory{.rmem_alloc = 1,
                                 .rcvbuf = 2,
                                 .wmem_alloc = 3,
                                 .sndbuf = 4,
                                 .fwd_alloc = 5,
                                 .wmem_queued = 6,
                                 .optmem = 7,
                                 .backlog = 8,
                                 .drops = std::nullopt};
    std::string text;
    render::sockets_json(world.rows, world.view, {}, SocketsWorld::keep(text));
    EXPECT_EQ(
        text,
        R"({
  "schema_version": 2,
  "complete": true,
  "gaps": [],
  "sockets": [
    {"protocol":"tcp","family":"ipv6","local":{"address":"10.0.0.1","port":6379},"remote":{"address":"10.0.3.17","port":50001},"keepalive":"off","state":"established","inode":4,"cookie":"c1","netns":7,"uid":33,"rx_queue_bytes":0,"tx_queue_bytes":0,"timer":{"kind":"off","expires_ms":0,"retransmits":0},"last_data_received_ms":2,"last_data_sent_ms":1,"last_ack_received_ms":3,"unacked":0,"backoff":0,"probes":0,"rtt_us":0,"total_retransmits":0,"owners":[{"pid":100,"fd":7,"comm":"bad)"
        "\ufffd"
        R"("}],"memory":{"rmem_alloc_bytes":1,"rcvbuf_bytes":2,"wmem_alloc_bytes":3,"sndbuf_bytes":4,"fwd_alloc_bytes":5,"wmem_queued_bytes":6,"optmem_bytes":7,"backlog_bytes":8,"drops":null},"interface":"eth0","cgroup":null,"group":"bad)"
        "\ufffd"
        R"(","unit":"redis.service","container":null},
    {"protocol":"tcp","family":"ipv4","local":{"address":"10.0.0.1","port":6379},"remote":{"address":"10.0.3.17","port":50002},"keepalive":"unknown","state":"time_wait","inode":null,"cookie":"c2","netns":7,"uid":null,"rx_queue_bytes":0,"tx_queue_bytes":0,"timer":{"kind":"timewait","expires_ms":5,"retransmits":0},"last_data_received_ms":null,"last_data_sent_ms":null,"last_ack_received_ms":null,"unacked":null,"backoff":null,"probes":null,"rtt_us":null,"total_retransmits":null,"owners":[],"memory":null,"interface":null,"cgroup":null,"group":null,"unit":null,"container":null},
    {"protocol":"unix","socket_type":"datagram","local":{"path":"@a"},"peer":{"path":null,"inode":51,"owners":[]},"pending":[],"state":"established","inode":50,"cookie":"0","netns":7,"uid":0,"rx_queue_bytes":0,"tx_queue_bytes":0,"timer":{"kind":"off","expires_ms":0,"retransmits":0},"last_data_received_ms":null,"last_data_sent_ms":null,"last_ack_received_ms":null,"unacked":null,"backoff":null,"probes":null,"rtt_us":null,"total_retransmits":null,"owners":[],"memory":null,"interface":null,"cgroup":null,"group":null,"unit":null,"container":null}
  ]
}
)");
}

TEST(SocketsJson, UnixSocketsThatAreNotAccepted) {
    SocketsWorld world;
    netlink::UnixSocket& listener = world.add_unix("/run/db", 1, 0);
    listener.pending = {2, 9};
    world.add_unix("", 2, 0);
    world.view.unix_listeners.emplace(2, &listener);
    world.hold(1, 50, 3, "db");
    world.hold(2, 60, 4, "web");
    std::string text;
    render::sockets_ndjson(world.rows, world.view, {}, SocketsWorld::keep(text));
    EXPECT_NE(
        text.find(
            R"("peer":null,"pending":[{"path":null,"inode":2,"owners":[{"pid":60,"fd":4,"comm":"web"}]},{"path":null,"inode":9,"owners":[]}],)"),
        std::string::npos)
        << text;
    EXPECT_NE(
        text.find(
            R"("peer":{"path":"/run/db","inode":null,"owners":[{"pid":50,"fd":3,"comm":"db"}]},"pending":[],)"),
        std::string::npos)
        << text;
}

TEST(SocketsJson, ComesInPieces) {
    SocketsWorld world;
    for (int i = 0; i < 2000; ++i) world.add("10.0.0.1:1", "10.0.0.2:2");
    std::size_t longest = 0;
    std::size_t pieces = 0;
    const render::Sink sink = [&](std::string_view part) {
        longest = std::max(longest, part.size());
        ++pieces;
        return true;
    };
    render::sockets_json(world.rows, world.view, {}, sink);
    render::sockets_ndjson(world.rows, world.view, {}, sink);
    EXPECT_GT(pieces, 10U);
    EXPECT_LT(longest, std::size_t{70'000});
}

}  // namespace
}  // namespace connleak::cli

// The columns of `connleak sockets`: what they say, in which order they put rows, and the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cli/sockets/text.h"
#include "tests/unit/worlds/sockets.h"

namespace connleak::render {
namespace {

using test::SocketsWorld;

std::string timer(TimerKind kind, std::uint32_t ms, std::uint32_t count, TimerStyle style,
                  std::uint8_t probes = 0) {
    Socket socket;
    socket.timer = {kind, ms, count};
    if (probes > 0) {
        socket.info.emplace();
        socket.info->probes = probes;
    }
    std::string text;
    append_timer(socket, style, text);
    return text;
}

TEST(SocketTimer, AsNetstatWritesIt) {
    using enum TimerKind;
    const auto netstat = TimerStyle::netstat;
    EXPECT_EQ(timer(off, 0, 0, netstat), "off (0.00/0/0)");
    EXPECT_EQ(timer(keepalive, 254'349, 0, netstat), "keepalive (254.34/0/0)");
    EXPECT_EQ(timer(keepalive, 1'000, 3, netstat), "keepalive (1.00/0/3)");
    EXPECT_EQ(timer(retransmit, 207, 1, netstat), "on (0.20/1/0)");
    EXPECT_EQ(timer(retransmit, 207, 1, netstat, 2), "on (0.20/1/2)");
    EXPECT_EQ(timer(timewait, 59'120, 0, netstat), "timewait (59.12/0/0)");
    EXPECT_EQ(timer(persist, 6'400, 5, netstat), "probe (6.40/0/5)");
    EXPECT_EQ(timer(delack, 9, 0, netstat), "delack (0.00/0/0)");
}

TEST(SocketTimer, AsSsWritesIt) {
    using enum TimerKind;
    const auto ss = TimerStyle::ss;
    EXPECT_EQ(timer(off, 0, 0, ss), "");
    EXPECT_EQ(timer(keepalive, 254'349, 0, ss), "keepalive,4min14sec,0");
    EXPECT_EQ(timer(keepalive, 240'999, 0, ss), "keepalive,4min,0");
    EXPECT_EQ(timer(keepalive, 599'000, 1, ss), "keepalive,9min59sec,1");
    EXPECT_EQ(timer(keepalive, 7'199'000, 0, ss), "keepalive,119min,0");
    EXPECT_EQ(timer(timewait, 59'120, 0, ss), "timewait,59sec,0");
    EXPECT_EQ(timer(retransmit, 9'009, 6, ss), "on,9.009ms,6");
    EXPECT_EQ(timer(retransmit, 207, 1, ss), "on,207ms,1");
    EXPECT_EQ(timer(retransmit, 5'000, 1, ss), "on,5sec,1");
    EXPECT_EQ(timer(persist, 0, 2, ss), "persist,,2");
    EXPECT_EQ(timer(delack, 40, 0, ss), "unknown,040ms,0");
}

TEST(SocketColumns, Names) {
    std::set<std::string_view> names;
    for (const Column& column : all_columns()) {
        EXPECT_TRUE(names.insert(column.name).second) << column.name;
        EXPECT_EQ(find_column(column.name), &column);
        EXPECT_FALSE(column.description.empty()) << column.name;
    }
    EXPECT_EQ(find_column("recv-q"), find_column("Recv-Q"));
    EXPECT_EQ(find_column("owner"), find_column("OWNERS"));
    EXPECT_EQ(find_column(""), nullptr);
    EXPECT_EQ(find_column("state "), nullptr);
}

TEST(SocketColumns, AbsentFactsHaveNoText) {
    SocketsWorld world;
    world.add("10.0.0.1:80", "10.0.0.2:5000", State::time_wait);
    for (const auto* name :
         {"pid",    "process", "owners",    "inode",     "uid",        "heard",
          "idle",   "rtt",     "unacked",   "group",     "unit",       "container",
          "user",   "cgroup",  "interface", "keepalive", "peer-inode", "peer-process",
          "probes", "backoff", "rmem",      "rcvbuf",    "wmem",       "sndbuf",
          "fwd",    "queued",  "optmem",    "backlog",   "drops"})
        EXPECT_EQ(world.cell(0, name), "") << name;
}

TEST(SocketColumns, EveryFact) {
    SocketsWorld world;
    Socket& socket = world.add("10.0.0.1:6379", "10.0.0.2:5000");
    socket.inode = 11;
    socket.uid = 33;
    socket.cookie = 0x1c3a0;
    socket.interface = 2;
    socket.cgroup_id = 0x21;
    socket.ipv6_socket = true;
    socket.rx_queue_bytes = 5;
    socket.timer = {TimerKind::keepalive, 1000, 0};
    socket.info = TcpInfo{.last_data_sent_ms = 7'300'000,
                          .last_data_received_ms = 3'700'000,
                          .last_ack_received_ms = 3'661'000,
                          .unacked = 4,
                          .rtt_us = 1'042,
                          .total_retransmits = 9,
                          .backoff = 2,
                          .probes = 1};
    socket.memory = SocketMemory{.rmem_alloc = 1,
                                 .rcvbuf = 131072,
                                 .wmem_alloc = 3,
                                 .sndbuf = 4,
                                 .fwd_alloc = 5,
                                 .wmem_queued = 6,
                                 .optmem = 7,
                                 .backlog = 8,
                                 .drops = std::nullopt};
    world.hold(11, 100, 5, "one");
    world.hold(11, 100, 6, "one");
    Process& second = world.hold(11, 200, 5, "two\x1b");
    second.group = "php-fpm: pool www";
    second.unit = "php-fpm.service";
    second.user = "www-data";
    EXPECT_EQ(world.cell(0, "proto"), "tcp6");
    EXPECT_EQ(world.cell(0, "state"), "ESTAB");
    EXPECT_EQ(world.cell(0, "recv-q"), "5");
    EXPECT_EQ(world.cell(0, "local"), "10.0.0.1:6379");
    EXPECT_EQ(world.cell(0, "process"), "100/one +1");
    EXPECT_EQ(world.cell(0, "pid"), "100,200");
    EXPECT_EQ(world.cell(0, "comm"), "one,two\\x1b");
    EXPECT_EQ(world.cell(0, "owners"),
              R"(("one",pid=100,fd=5),("one",pid=100,fd=6),("two\\x1b",pid=200,fd=5))");
    EXPECT_EQ(world.cell(0, "group"), "one,php-fpm: pool www");
    EXPECT_EQ(world.cell(0, "unit"), "php-fpm.service");
    EXPECT_EQ(world.cell(0, "user"), "www-data");
    EXPECT_EQ(world.cell(0, "heard"), "1h 1m");
    EXPECT_EQ(world.cell(0, "idle"), "3661");
    EXPECT_EQ(world.cell(0, "rtt"), "1.042");
    EXPECT_EQ(world.cell(0, "retrans"), "9");
    EXPECT_EQ(world.cell(0, "keepalive"), "on");
    EXPECT_EQ(world.cell(0, "uid"), "33");
    EXPECT_EQ(world.table("rmem rcvbuf wmem sndbuf fwd queued optmem backlog drops"),
              "RMEM  RCVBUF  WMEM  SNDBUF  FWD  QUEUED  OPTMEM  BACKLOG  DROPS\n"
              "   1  131072     3       4    5       6       7        8      -\n");
    EXPECT_EQ(world.cell(0, "cookie"), "1c3a0");
    EXPECT_EQ(world.cell(0, "netns"), "7");
    EXPECT_EQ(world.cell(0, "interface"), "#2");
    EXPECT_EQ(world.cell(0, "cgroup"), "21");
    world.view.namespaces = {{7, "web\n1"}};
    world.view.devices = {{{7, 2}, "eth0"}};
    world.view.cgroups = {{0x21, "/user.slice"}};
    world.view.hosts = {{*Address::parse("10.0.0.2"), "web.example"}};
    world.view.services = {{6379, "redis"}};
    EXPECT_EQ(world.cell(0, "netns"), "web\\n1");
    EXPECT_EQ(world.cell(0, "interface"), "eth0");
    EXPECT_EQ(world.cell(0, "cgroup"), "/user.slice");
    EXPECT_EQ(world.cell(0, "local"), "10.0.0.1:redis");
    EXPECT_EQ(world.cell(0, "remote"), "web.example:5000");
}

TEST(SocketColumns, SmallRoundTripTimes) {
    SocketsWorld world;
    world.add("10.0.0.1:1", "10.0.0.2:2").info = TcpInfo{.rtt_us = 7};
    world.add("10.0.0.1:1", "10.0.0.2:3").info = TcpInfo{.rtt_us = 45};
    EXPECT_EQ(world.cell(0, "rtt"), "0.007");
    EXPECT_EQ(world.cell(1, "rtt"), "0.045");
}

TEST(SocketColumns, UnixSockets) {
    SocketsWorld world;
    world.add_unix("", 1, 2);
    world.add_unix(std::string("\0hid\0den", 8), 2, 1).type = netlink::UnixType::seqpacket;
    world.add_unix("/run/a b", 3, 99);
    world.hold(2, 50, 3, "peer");
    EXPECT_EQ(world.cell(0, "proto"), "u_str");
    EXPECT_EQ(world.cell(0, "local"), "*");
    EXPECT_EQ(world.cell(0, "remote"), "@hid@den");
    EXPECT_EQ(world.cell(0, "peer-inode"), "2");
    EXPECT_EQ(world.cell(0, "peer-process"), "50/peer");
    EXPECT_EQ(world.cell(0, "timer"), "");
    EXPECT_EQ(world.cell(1, "proto"), "u_seq");
    EXPECT_EQ(world.cell(1, "process"), "50/peer");
    EXPECT_EQ(world.cell(2, "local"), "/run/a b");
    EXPECT_EQ(world.cell(2, "remote"), "*");
    EXPECT_EQ(world.cell(2, "peer-inode"), "99");
}

TEST(SocketColumns, UnixSocketsThatAreNotAccepted) {
    SocketsWorld world;
    netlink::UnixSocket& listener = world.add_unix("/run/db", 1, 0);
    listener.socket.state = State::listen;
    listener.pending = {2, 3, 4};
    for (const std::uint32_t inode : {2U, 3U, 4U}) {
        world.add_unix("", inode, 0);
        world.view.unix_listeners.emplace(inode, &listener);
    }
    world.add_unix("", 5, 0);
    world.hold(1, 50, 3, "db");
    world.hold(2, 61, 4, "web");
    world.hold(3, 60, 4, "shop");
    world.hold(4, 60, 5, "shop");
    EXPECT_EQ(world.table("local inode remote peer-inode process peer-process"),
              "LOCAL    INODE  REMOTE   PEER-INODE  PROCESS  PEER-PROCESS\n"
              "/run/db      1  *                 -  50/db    60/shop +1\n"
              "*            2  /run/db           -  61/web   50/db\n"
              "*            3  /run/db           -  60/shop  50/db\n"
              "*            4  /run/db           -  60/shop  50/db\n"
              "*            5  *                 -  -        -\n");
}

// ---------------------------------------------------------------- the table

SocketsWorld small_world() {
    SocketsWorld world;
    world.view.timer = TimerStyle::netstat;
    return world;
}

TEST(SocketsTable, Whole) {
    SocketsWorld world = small_world();
    world.add("0.0.0.0:6379", "0.0.0.0:0", State::listen).tx_queue_bytes = 511;
    Socket& live = world.add("10.0.0.1:6379", "10.0.3.17:52314");
    live.inode = 4;
    live.timer = {TimerKind::keepalive, 254'349, 0};
    world.add("[fd00::1]:6379", "[fd00::2]:40000", State::close_wait).rx_queue_bytes = 1'000'000;
    world.hold(4, 14625, 15, "redis-server");
    world.hold(4, 14626, 15, "redis-server");
    EXPECT_EQ(
        world.table("proto state recv-q send-q local remote timer process"),
        R"(PROTO  STATE        RECV-Q  SEND-Q  LOCAL           REMOTE           TIMER                   PROCESS
tcp    LISTEN            0     511  0.0.0.0:6379    0.0.0.0:*        off (0.00/0/0)          -
tcp    ESTAB             0       0  10.0.0.1:6379   10.0.3.17:52314  keepalive (254.34/0/0)  14625/redis-server +1
tcp    CLOSE-WAIT  1000000       0  [fd00::1]:6379  [fd00::2]:40000  off (0.00/0/0)          -
)");
    EXPECT_EQ(world.table("recv-q", {.headings = false}), "      0\n      0\n1000000\n");
    world.view.timer = TimerStyle::ss;
    EXPECT_EQ(world.table("timer state", {.headings = false}),
              "                       LISTEN\n"
              "keepalive,4min14sec,0  ESTAB\n"
              "                       CLOSE-WAIT\n");
}

TEST(SocketsTable, NothingIsAHeading) {
    const SocketsWorld world = small_world();
    EXPECT_EQ(world.table("state inode"), "STATE  INODE\n");
    EXPECT_EQ(world.table("state inode", {.headings = false}), "");
}

TEST(SocketsTable, ColoursHaveNoWidth) {
    SocketsWorld world = small_world();
    world.add("10.0.0.1:1", "10.0.0.2:2", State::close_wait);
    world.add("10.0.0.1:1", "10.0.0.2:3");
    EXPECT_EQ(world.table("state proto", {.color = true}),
              "\x1b[1mSTATE\x1b[0m       \x1b[1mPROTO\x1b[0m\n"
              "\x1b[33mCLOSE-WAIT\x1b[0m  tcp\n"
              "ESTAB       tcp\n");
}

TEST(SocketsTable, WideCharactersAreMeasured) {
    SocketsWorld world = small_world();
    world.add("10.0.0.1:1", "10.0.0.2:2").inode = 1;
    world.add("10.0.0.1:1", "10.0.0.2:3").inode = 2;
    world.hold(1, 1, 1, "\u5bbf\u4e3b");
    world.hold(2, 2, 1, "x");
    EXPECT_EQ(world.table("comm proto", {.headings = false}), "\u5bbf\u4e3b  tcp\nx     tcp\n");
}

TEST(SocketsTable, StopsWhenNobodyReads) {
    SocketsWorld world = small_world();
    for (int i = 0; i < 20'000; ++i) world.add("10.0.0.1:1", "10.0.0.2:2");
    std::size_t pieces = 0;
    const std::vector<const Column*> columns{find_column("local"), find_column("remote")};
    sockets_table(world.rows, world.view, columns, {}, [&](std::string_view part) {
        EXPECT_LT(part.size(), std::size_t{70'000});
        return ++pieces < 2;
    });
    EXPECT_EQ(pieces, 2U);
}

// ---------------------------------------------------------------- order

std::vector<std::string> sorted(SocketsWorld& world, std::string_view column, bool descending,
                                std::string_view shown) {
    sort_rows(world.rows, world.view, *find_column(column), descending);
    std::vector<std::string> cells;
    for (std::size_t at = 0; at < world.rows.size(); ++at) cells.push_back(world.cell(at, shown));
    return cells;
}

using Cells = std::vector<std::string>;

TEST(SocketsOrder, AddressesByTheirBytesAndPortsByNumber) {
    SocketsWorld world;
    for (const auto* remote :
         {"10.0.0.10:80", "10.0.0.9:80", "[fd00::1]:1", "10.0.0.9:443", "10.0.0.9:8080"})
        world.add("10.0.0.1:1", remote);
    EXPECT_EQ(
        sorted(world, "remote", false, "remote"),
        (Cells{"10.0.0.9:80", "10.0.0.9:443", "10.0.0.9:8080", "10.0.0.10:80", "[fd00::1]:1"}));
    EXPECT_EQ(sorted(world, "remote", true, "remote").front(), "[fd00::1]:1");
}

TEST(SocketsOrder, NumbersAndWhatHasNone) {
    SocketsWorld world;
    for (const std::uint32_t inode : {0U, 100U, 9U, 20U})
        world.add("10.0.0.1:1", "10.0.0.2:2").inode = inode;
    EXPECT_EQ(sorted(world, "inode", false, "inode"), (Cells{"9", "20", "100", ""}));
    EXPECT_EQ(sorted(world, "inode", true, "inode"), (Cells{"100", "20", "9", ""}));
}

TEST(SocketsOrder, EqualsKeepTheirPlaces) {
    SocketsWorld world;
    world.add("10.0.0.1:1", "10.0.0.2:4");
    world.add("10.0.0.1:1", "10.0.0.2:3", State::close_wait);
    world.add("10.0.0.1:1", "10.0.0.2:2");
    EXPECT_EQ(sorted(world, "state", false, "remote"),
              (Cells{"10.0.0.2:3", "10.0.0.2:4", "10.0.0.2:2"}));
}

}  // namespace
}  // namespace connleak::render

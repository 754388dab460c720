// The socket tables of the running kernel, against sockets whose truth the test knows.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <stdexcept>

#include "netlink/request.h"
#include "netlink/sockets/bytecode.h"
#include "netlink/sockets/sock_diag.h"
#include "tests/unit/netlink/lab.h"

namespace connleak::netlink {
namespace {

using namespace lab;

struct Pair {
    Descriptor client;
    Descriptor server;
};

Pair connect_pair(const Netns& netns, const Descriptor& listener, const Endpoint& to,
                  const Options& options = {}) {
    Pair pair;
    pair.client = connect_to(netns, to, options);
    pair.server = accept_from(listener);
    return pair;
}

SocketTable open_table(const Netns& netns) {
    auto table = SocketTable::open(netns);
    if (!table) throw std::runtime_error(table.error().what);
    return std::move(*table);
}

// Absent, or the socket; fails the test when the kernel could not be asked.
std::optional<Socket> look(SocketTable& table, const Tuple& tuple,
                           const std::vector<std::uint32_t>& interfaces = {}) {
    auto found = table.lookup(tuple, interfaces);
    EXPECT_TRUE(found) << found.error().what;
    return found ? *found : std::nullopt;
}

const Socket* find(const Dump& dump, const Tuple& tuple) {
    const auto at = std::find_if(dump.sockets.begin(), dump.sockets.end(),
                                 [&](const Socket& socket) { return socket.tuple == tuple; });
    return at == dump.sockets.end() ? nullptr : &*at;
}

std::vector<Tuple> tuples(const Dump& dump) {
    std::vector<Tuple> result;
    result.reserve(dump.sockets.size());
    for (const Socket& socket : dump.sockets) result.push_back(socket.tuple);
    std::sort(result.begin(), result.end());
    return result;
}

TEST(KernelSockets, DumpIsTheTruth) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor v4 = listen_on(netns, endpoint("127.0.0.1:6379"));
    const Descriptor v6 = listen_on(netns, endpoint("[::]:7000"));
    std::vector<Pair> pairs;
    pairs.reserve(300);
    for (int i = 0; i < 100; ++i)
        pairs.push_back(connect_pair(netns, v4, endpoint("127.0.0.1:6379")));
    for (int i = 0; i < 100; ++i)
        pairs.push_back(connect_pair(netns, v6, endpoint("127.0.0.1:7000")));
    for (int i = 0; i < 100; ++i) pairs.push_back(connect_pair(netns, v6, endpoint("[::1]:7000")));
    std::vector<Tuple> truth = {{local_of(v4), endpoint("0.0.0.0:0")},
                                {local_of(v6), endpoint("[::]:0")}};
    for (const Pair& pair : pairs) {
        truth.push_back(tuple_of(pair.client));
        truth.push_back(tuple_of(pair.server));
    }
    std::sort(truth.begin(), truth.end());

    SocketTable table = open_table(netns);
    const Dump dump = table.dump({});
    ASSERT_FALSE(dump.error) << dump.error->what;
    EXPECT_EQ(tuples(dump), truth);

    // A v4 client of the dual-stack listener: plain IPv4 addresses on an AF_INET6 socket.
    const Socket* mapped = find(dump, tuple_of(pairs[100].server));
    ASSERT_NE(mapped, nullptr);
    EXPECT_TRUE(mapped->ipv6_socket);
    EXPECT_EQ(mapped->tuple.local.text(), "127.0.0.1:7000");
    EXPECT_EQ(mapped->state, State::established);
    EXPECT_EQ(mapped->netns, netns.id());
    EXPECT_NE(mapped->inode, 0U);
    EXPECT_NE(mapped->cookie, 0U);
    ASSERT_TRUE(mapped->info);
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    ASSERT_EQ(getsockopt(pairs[100].server.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    EXPECT_EQ(mapped->cookie, cookie);

    const Dump listeners = table.dump({.states = state_bit(State::listen)});
    EXPECT_EQ(listeners.sockets.size(), 2U);
    const Dump bare = table.dump({.states = state_bit(State::established), .with_info = false});
    EXPECT_EQ(bare.sockets.size(), 600U);
    EXPECT_TRUE(std::none_of(bare.sockets.begin(), bare.sockets.end(),
                             [](const Socket& socket) { return socket.info.has_value(); }));
}

TEST(KernelSockets, TheNamespaceAloneIsSeen) {
    NEEDS_ROOT();
    const Netns one = make_netns();
    const Netns other = make_netns();
    const Descriptor listener = listen_on(one, endpoint("127.0.0.1:6379"));
    EXPECT_EQ(open_table(one).dump({}).sockets.size(), 1U);
    EXPECT_EQ(open_table(other).dump({}).sockets.size(), 0U);
}

// The kernel's answer to a port filter, without the program's own filter behind it.
struct Filtered {
    int failure = 0;
    std::size_t sockets = 0;
};
Filtered ask_with_bytecode(const Netns& netns, const std::vector<std::uint8_t>& bytecode) {
    auto channel = Channel::open(netns, NETLINK_SOCK_DIAG);
    inet_diag_req_v2 header{};
    header.sdiag_family = AF_INET;
    header.sdiag_protocol = IPPROTO_TCP;
    header.idiag_states = 0xfff;
    Request request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, 256 + bytecode.size());
    request.put_header(header);
    request.put(INET_DIAG_REQ_BYTECODE, bytecode);
    Filtered result;
    result.failure = channel->ask(request, [&](std::uint16_t, Bytes) { ++result.sockets; });
    return result;
}

TEST(KernelSockets, TheKernelsFilterAgreesWithOurs) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    std::vector<Descriptor> held;
    for (std::uint16_t port = 6370; port < 6390; ++port) {
        const Endpoint server{endpoint("127.0.0.1:0").address, port};
        held.push_back(listen_on(netns, server));
        const std::size_t listener = held.size() - 1;
        for (int i = 0; i < 10; ++i) {
            Pair pair = connect_pair(netns, held[listener], server);
            held.push_back(std::move(pair.client));
            held.push_back(std::move(pair.server));
        }
    }
    SocketTable table = open_table(netns);
    const Dump everything = table.dump({});
    ASSERT_EQ(everything.sockets.size(), 20U + 400U);

    std::mt19937 random(7);  // NOLINT: the same ports in every run
    const auto any_port = [&] {
        const Socket& socket = everything.sockets[random() % everything.sockets.size()];
        switch (random() % 4) {
            case 0:
                return socket.tuple.remote.port;
            case 1:
                return static_cast<std::uint16_t>(6365 + random() % 30);
            case 2:
                return static_cast<std::uint16_t>(random());
            default:
                return socket.tuple.local.port;
        }
    };
    for (int round = 0; round < 200; ++round) {
        SocketQuery query;
        const std::size_t count = 1 + random() % (round % 10 == 0 ? 128 : 12);
        for (std::size_t i = 0; i < count; ++i) query.ports.push_back(any_port());
        Dump expected;
        for (const Socket& socket : everything.sockets)
            for (const std::uint16_t port : query.ports)
                if (socket.tuple.local.port == port || socket.tuple.remote.port == port) {
                    expected.sockets.push_back(socket);
                    break;
                }
        const Dump dump = table.dump(query);
        ASSERT_FALSE(dump.error) << dump.error->what;
        EXPECT_EQ(tuples(dump), tuples(expected));
        const auto bytecode = compile_port_filter(query.ports);
        ASSERT_FALSE(bytecode.empty());
        const Filtered filtered = ask_with_bytecode(netns, bytecode);
        EXPECT_EQ(filtered.failure, 0);
        EXPECT_EQ(filtered.sockets, expected.sockets.size());
    }
}

TEST(KernelSockets, TheLongestFilterIsAccepted) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor listener = listen_on(netns, endpoint("127.0.0.1:6379"));
    std::vector<std::uint16_t> ports;
    for (std::uint16_t port = 1; !compile_port_filter(ports).empty() || ports.empty(); port += 2)
        ports.push_back(port);
    // One too many: the filter is left to the program, and the answer is the same.
    SocketTable table = open_table(netns);
    EXPECT_EQ(table.dump({.ports = ports}).sockets.size(), 0U);
    ports.back() = 6379;
    EXPECT_EQ(table.dump({.ports = ports}).sockets.size(), 1U);
    ports.pop_back();
    const auto bytecode = compile_port_filter(ports);
    ASSERT_GT(bytecode.size(), 5000U);
    EXPECT_EQ(ask_with_bytecode(netns, bytecode).failure, 0);
}

TEST(KernelSockets, LookupFindsExactlyTheConnection) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor v4 = listen_on(netns, endpoint("127.0.0.1:6379"));
    const Descriptor v6 = listen_on(netns, endpoint("[::]:7000"));
    const Pair plain = connect_pair(netns, v4, endpoint("127.0.0.1:6379"));
    const Pair mapped = connect_pair(netns, v6, endpoint("127.0.0.1:7000"), {.ipv6 = true});
    const Pair six = connect_pair(netns, v6, endpoint("[::1]:7000"));
    SocketTable table = open_table(netns);
    const Dump dump = table.dump({});
    for (const Pair* pair : {&plain, &mapped, &six}) {
        for (const Descriptor* side : {&pair->client, &pair->server}) {
            const Tuple tuple = tuple_of(*side);
            const auto found = look(table, tuple);
            ASSERT_TRUE(found) << tuple.local.text();
            EXPECT_EQ(found->tuple, tuple);
            EXPECT_EQ(found->state, State::established);
            ASSERT_NE(find(dump, tuple), nullptr);
            EXPECT_EQ(found->cookie, find(dump, tuple)->cookie);
            EXPECT_TRUE(found->info);
        }
    }
    EXPECT_TRUE(look(table, tuple_of(mapped.server))->ipv6_socket);
    EXPECT_FALSE(look(table, tuple_of(plain.server))->ipv6_socket);
}

TEST(KernelSockets, LookupOfAnAbsentConnection) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    SocketTable table = open_table(netns);
    const Tuple v4{endpoint("127.0.0.1:6379"), endpoint("127.0.0.1:40000")};
    const Tuple v6{endpoint("[::1]:6379"), endpoint("[::1]:40000")};
    EXPECT_FALSE(look(table, v4, {1}));  // ENOENT
    EXPECT_FALSE(look(table, v6, {1}));
    // With a listener on the port the kernel answers with the listener.
    const Descriptor four = listen_on(netns, endpoint("127.0.0.1:6379"));
    const Descriptor six = listen_on(netns, endpoint("[::1]:6379"));
    EXPECT_FALSE(look(table, v4, {1}));
    EXPECT_FALSE(look(table, v6, {1}));
}

TEST(KernelSockets, LookupOfBoundSockets) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Options bound{.device = "lo"};
    const Descriptor listener = listen_on(netns, endpoint("127.0.0.1:6379"), bound);
    const Pair pair = connect_pair(netns, listener, endpoint("127.0.0.1:6379"), bound);
    SocketTable table = open_table(netns);
    for (const Descriptor* side : {&pair.client, &pair.server}) {
        const auto found = look(table, tuple_of(*side), {77, 1});
        ASSERT_TRUE(found);
        EXPECT_EQ(found->interface, 1U);
        EXPECT_FALSE(look(table, tuple_of(*side), {}));
    }
}

TEST(KernelSockets, TimeWait) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    Descriptor listener = listen_on(netns, endpoint("127.0.0.1:6379"));
    Pair pair = connect_pair(netns, listener, endpoint("127.0.0.1:6379"));
    const Tuple tuple = tuple_of(pair.client);
    pair.client = Descriptor();
    SocketTable table = open_table(netns);
    EXPECT_EQ(look(table, tuple.mirrored())->state, State::close_wait);
    // Through FIN-WAIT-1, until the other side's acknowledgement is there.
    EXPECT_TRUE(wait_until([&] { return look(table, tuple)->state == State::fin_wait_2; }));
    pair = Pair();
    ASSERT_TRUE(wait_until([&] {
        const auto found = look(table, tuple);
        return found && found->state == State::time_wait;
    }));
    const auto found = look(table, tuple);
    EXPECT_EQ(found->inode, 0U);
    EXPECT_EQ(found->timer.kind, TimerKind::timewait);
    EXPECT_FALSE(found->info);
    EXPECT_NE(find(table.dump({}), tuple), nullptr);
    EXPECT_EQ(find(table.dump({.states = state_bit(State::established)}), tuple), nullptr);
    listener = Descriptor();  // nothing is left but the TIME-WAIT
    EXPECT_EQ(tuples(table.dump({})), std::vector<Tuple>{tuple});
}

TEST(KernelSockets, SynReceived) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor listener = listen_on(netns, endpoint("127.0.0.1:6379"));
    shell(netns,
          "nft 'add table ip t; add chain ip t out { type filter hook output priority 0; };"
          " add rule ip t out tcp flags & (syn|ack) == syn|ack drop'");
    const Descriptor client = connect_to(netns, endpoint("127.0.0.1:6379"), {}, false);
    const Tuple tuple{endpoint("127.0.0.1:6379"), local_of(client)};
    SocketTable table = open_table(netns);
    ASSERT_TRUE(wait_until([&] { return look(table, tuple).has_value(); }));
    const auto found = look(table, tuple);
    EXPECT_EQ(found->state, State::syn_received);
    EXPECT_EQ(found->timer.kind, TimerKind::retransmit);
    EXPECT_FALSE(found->info);
    const Dump dump = table.dump({.states = state_bit(State::syn_received)});
    ASSERT_EQ(dump.sockets.size(), 1U);
    EXPECT_EQ(dump.sockets[0].cookie, found->cookie);
    EXPECT_EQ(look(table, tuple.mirrored())->state, State::syn_sent);
}

// The handshake of a v4 client with a dual-stack listener is an IPv4 row, in a namespace whose only
// other socket is an IPv6 one.
TEST(KernelSockets, SynReceivedOfADualStackListener) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor listener = listen_on(netns, endpoint("[::]:6379"));
    shell(netns,
          "nft 'add table ip t; add chain ip t out { type filter hook output priority 0; };"
          " add rule ip t out tcp flags & (syn|ack) == syn|ack drop'");
    Descriptor client = connect_to(netns, endpoint("127.0.0.1:6379"), {}, false);
    const Tuple tuple{endpoint("127.0.0.1:6379"), local_of(client)};
    client = Descriptor();
    SocketTable table = open_table(netns);
    ASSERT_TRUE(wait_until([&] { return look(table, tuple).has_value(); }));
    EXPECT_NE(find(table.dump({}), tuple), nullptr);
}

TEST(KernelSockets, Unaccepted) {
    NEEDS_ROOT();
    const Netns netns = make_netns();
    const Descriptor listener = listen_on(netns, endpoint("127.0.0.1:6379"));
    const Descriptor client = connect_to(netns, endpoint("127.0.0.1:6379"));
    SocketTable table = open_table(netns);
    const auto found = look(table, tuple_of(client).mirrored());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state, State::established);
    EXPECT_EQ(found->inode, 0U);
    const Dump listeners = table.dump({.states = state_bit(State::listen)});
    ASSERT_EQ(listeners.sockets.size(), 1U);
    EXPECT_EQ(listeners.sockets[0].rx_queue_bytes, 1U);
    EXPECT_EQ(listeners.sockets[0].tx_queue_bytes, 1024U);
}

}  // namespace
}  // namespace connleak::netlink

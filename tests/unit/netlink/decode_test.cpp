// The decoders of netlink/ on bytes: captured from a kernel (Linux 6.18), made by hand, cut off,
// hostile.
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attributes.h"
#include "netlink/sockets/bytecode.h"
#include "netlink/sockets/repeats.h"
#include "netlink/sockets/sock_diag_decode.h"
#include "tests/unit/netlink/bytes.h"

namespace connleak::netlink {
namespace {

using namespace bytes;

Buffer captured(const std::string& name) {
    const std::ifstream file(TEST_DATA "/fuzz/seeds/sock_diag/" + name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    const std::string bytes = text.str();
    EXPECT_FALSE(bytes.empty()) << name;
    return {bytes.begin(), bytes.end()};
}

inet_diag_msg established_message() {
    inet_diag_msg message{};
    message.idiag_family = AF_INET;
    message.idiag_state = 1;
    return message;
}

std::string ends(const Socket& socket) {
    return socket.tuple.local.text() + " " + socket.tuple.remote.text();
}

TEST(SocketDecoder, CapturedEstablished) {
    const auto socket = decode_socket(captured("established-keepalive"), 42);
    ASSERT_TRUE(socket);
    EXPECT_EQ(ends(*socket), "127.0.0.1:6379 127.0.0.1:36244");
    EXPECT_EQ(socket->netns, 42U);
    EXPECT_EQ(socket->state, State::established);
    EXPECT_FALSE(socket->ipv6_socket);
    EXPECT_EQ(socket->timer.kind, TimerKind::keepalive);
    EXPECT_GT(socket->timer.expires_ms, 7'100'000U);  // two hours, the kernel's default
    EXPECT_EQ(socket->timer.retransmits, 0U);
    EXPECT_EQ(socket->inode, 515969U);
    EXPECT_EQ(socket->uid, 0U);
    EXPECT_EQ(socket->interface, 0U);
    EXPECT_NE(socket->cookie, 0U);
    EXPECT_EQ(socket->cgroup_id, 1U);
    EXPECT_EQ(socket->rx_queue_bytes, 6U);
    EXPECT_EQ(socket->tx_queue_bytes, 0U);
    ASSERT_TRUE(socket->info);
    EXPECT_GE(socket->info->last_data_received_ms, 100U);
    EXPECT_LT(socket->info->last_data_received_ms, 1000U);
}

TEST(SocketDecoder, CapturedOfEveryForm) {
    const auto listen = decode_socket(captured("listen"), 1);
    ASSERT_TRUE(listen);
    EXPECT_EQ(ends(*listen), "127.0.0.1:6379 0.0.0.0:0");
    EXPECT_EQ(listen->state, State::listen);
    EXPECT_EQ(listen->tx_queue_bytes, 1024U);

    const auto any = decode_socket(captured("listen-ipv6"), 1);
    ASSERT_TRUE(any);
    EXPECT_EQ(ends(*any), "[::]:7000 [::]:0");

    const auto mapped = decode_socket(captured("v4-mapped"), 1);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(ends(*mapped), "127.0.0.1:7000 127.0.0.1:41406");
    EXPECT_TRUE(mapped->ipv6_socket);

    const auto six = decode_socket(captured("established-ipv6"), 1);
    ASSERT_TRUE(six);
    EXPECT_EQ(ends(*six), "[::1]:7000 [::1]:38420");

    const auto time_wait = decode_socket(captured("time-wait"), 1);
    ASSERT_TRUE(time_wait);
    EXPECT_EQ(ends(*time_wait), "127.0.0.1:36258 127.0.0.1:6379");
    EXPECT_EQ(time_wait->state, State::time_wait);
    EXPECT_EQ(time_wait->timer.kind, TimerKind::timewait);
    EXPECT_EQ(time_wait->inode, 0U);
    EXPECT_FALSE(time_wait->info);

    const auto bare = decode_socket(captured("no-attributes"), 1);
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->tuple, six->tuple);
    EXPECT_FALSE(bare->info);
    EXPECT_EQ(bare->cgroup_id, 0U);
}

TEST(SocketDecoder, CutOffAnywhere) {
    const Buffer whole = captured("established-keepalive");
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto socket = decode_socket(part, 1);
        EXPECT_EQ(socket.has_value(), size >= sizeof(inet_diag_msg)) << size;
        if (!socket) continue;
        EXPECT_EQ(ends(*socket), "127.0.0.1:6379 127.0.0.1:36244");
    }
}

TEST(SocketDecoder, BytesNeedNoAlignment) {
    const Buffer whole = captured("established-keepalive");
    const auto expected = decode_socket(whole, 1);
    for (std::size_t shift = 1; shift < 8; ++shift) {
        Buffer shifted(shift);
        shifted.insert(shifted.end(), whole.begin(), whole.end());
        EXPECT_EQ(decode_socket(Bytes(shifted).subspan(shift), 1), expected);
    }
}

TEST(SocketDecoder, States) {
    for (unsigned state = 0; state < 256; ++state) {
        inet_diag_msg message = established_message();
        message.idiag_state = static_cast<std::uint8_t>(state);
        const auto socket = decode_socket(as_bytes(message), 1);
        EXPECT_EQ(socket.has_value(), state >= 1 && state <= 12) << state;
        if (!socket) continue;
        EXPECT_EQ(static_cast<unsigned>(socket->state), state == 12 ? 3 : state);
    }
}

TEST(SocketDecoder, FamiliesAndTimers) {
    for (unsigned family = 0; family < 256; ++family) {
        inet_diag_msg message = established_message();
        message.idiag_family = static_cast<std::uint8_t>(family);
        EXPECT_EQ(decode_socket(as_bytes(message), 1).has_value(),
                  family == AF_INET || family == AF_INET6);
    }
    for (unsigned timer = 0; timer < 256; ++timer) {
        inet_diag_msg message = established_message();
        message.idiag_timer = static_cast<std::uint8_t>(timer);
        message.idiag_retrans = 3;
        message.idiag_expires = 1200;
        const auto socket = decode_socket(as_bytes(message), 1);
        EXPECT_EQ(socket->timer,
                  (Timer{timer <= 5 ? static_cast<TimerKind>(timer) : TimerKind::off, 1200, 3}));
    }
}

TEST(SocketDecoder, AnOlderKernelsTcpInfo) {
    // 104 bytes, to tcpi_total_retrans: what Linux 3.x sent.
    Buffer info(104);
    info[3] = 2;     // tcpi_probes
    info[4] = 5;     // tcpi_backoff
    info[24] = 9;    // tcpi_unacked
    info[44] = 11;   // tcpi_last_data_sent
    info[52] = 22;   // tcpi_last_data_recv
    info[56] = 33;   // tcpi_last_ack_recv
    info[68] = 44;   // tcpi_rtt
    info[100] = 55;  // tcpi_total_retrans
    const TcpInfo expected{.last_data_sent_ms = 11,
                           .last_data_received_ms = 22,
                           .last_ack_received_ms = 33,
                           .unacked = 9,
                           .rtt_us = 44,
                           .total_retransmits = 55,
                           .backoff = 5,
                           .probes = 2};
    const auto decode = [](const Buffer& value) {
        return decode_socket(
                   joined({as_bytes(established_message()), attribute(INET_DIAG_INFO, value)}), 1)
            ->info;
    };
    EXPECT_EQ(decode(info), expected);
    Buffer newer = info;
    newer.resize(600, 0xff);  // and one that is longer than we know
    TcpInfo longer = expected;
    longer.bytes_received = 0xffffffffffffffff;
    longer.bytes_sent = 0;  // all of it sent again, and nothing for the first time
    EXPECT_EQ(decode(newer), longer);
    info.resize(60);
    TcpInfo shorter = expected;
    shorter.rtt_us = 0;
    shorter.total_retransmits = 0;
    EXPECT_EQ(decode(info), shorter);
}

TEST(SocketDecoder, CountsEachByteOnce) {
    tcp_info info{};
    info.tcpi_bytes_received = 5'000'000'000;
    info.tcpi_bytes_acked = 6'000'000'001;  // with the SYN of one that connected
    info.tcpi_bytes_sent = 6'000'001'448;
    info.tcpi_bytes_retrans = 1'448;
    const auto socket = decode_socket(
        joined({as_bytes(established_message()), attribute(INET_DIAG_INFO, as_bytes(info))}), 1);
    ASSERT_TRUE(socket && socket->info);
    EXPECT_EQ(socket->info->bytes_received, 5'000'000'000U);
    EXPECT_EQ(socket->info->bytes_sent, 6'000'000'000U);
}

TEST(SocketDecoder, Memory) {
    const auto decode = [](const Buffer& value) {
        return decode_socket(
                   joined({as_bytes(established_message()), attribute(INET_DIAG_SKMEMINFO, value)}),
                   1)
            ->memory;
    };
    Buffer numbers;
    for (std::uint32_t number = 1; number <= 9; ++number)
        numbers = joined({numbers, as_bytes(number * 1000)});
    const SocketMemory whole{.rmem_alloc = 1000,
                             .rcvbuf = 2000,
                             .wmem_alloc = 3000,
                             .sndbuf = 4000,
                             .fwd_alloc = 5000,
                             .wmem_queued = 6000,
                             .optmem = 7000,
                             .backlog = 8000,
                             .drops = 9000};
    for (std::size_t size = 0; size <= numbers.size(); ++size) {
        const auto memory = decode(Buffer(numbers.begin(), numbers.begin() + std::ptrdiff_t(size)));
        std::optional<SocketMemory> expected;
        if (size >= 28) expected = whole;  // to optmem: what the oldest kernels send
        if (expected && size < 36) expected->drops.reset();
        if (expected && size < 32) expected->backlog.reset();
        EXPECT_EQ(memory, expected) << size;
    }
    numbers.resize(600, 0xff);  // longer than we know
    EXPECT_EQ(decode(numbers), whole);
    EXPECT_EQ(decode_socket(as_bytes(established_message()), 1)->memory, std::nullopt);
    const auto unread = decode_socket(captured("memory"), 1);  // 5000 bytes that nobody read
    ASSERT_TRUE(unread && unread->memory);
    EXPECT_GT(unread->memory->rmem_alloc, 5000U);
    EXPECT_GT(unread->memory->rcvbuf, unread->memory->rmem_alloc);
}

TEST(SocketDecoder, HostileAttributeLengths) {
    const Buffer head = as_bytes(established_message());
    for (const unsigned length : {0U, 1U, 3U, 4U, 5U, 11U, 12U, 13U, 255U, 0xfffcU, 0xffffU}) {
        const Buffer hostile = joined({as_bytes(static_cast<std::uint16_t>(length)),
                                       as_bytes(static_cast<std::uint16_t>(INET_DIAG_CGROUP_ID)),
                                       as_bytes(std::uint64_t{77})});
        const auto socket = decode_socket(joined({head, hostile}), 1);
        ASSERT_TRUE(socket);
        EXPECT_EQ(socket->cgroup_id, length == 12 || length == 11 || length == 5 ? 77U : 0U)
            << length;
    }
}

TEST(Repeats, EachSocketOnceAsItWasSeenLast) {
    std::vector<Socket> sockets;
    const auto add = [&](std::uint64_t cookie, State state) {
        Socket socket;
        socket.cookie = cookie;
        socket.state = state;
        sockets.push_back(socket);
    };
    remove_repeats(sockets);
    EXPECT_TRUE(sockets.empty());
    for (std::uint64_t cookie = 1; cookie <= 1000; ++cookie) {
        add(cookie, State::established);
        if (cookie % 3 == 0) add(cookie / 3, State::time_wait);
    }
    add(0, State::listen);
    add(0, State::listen);
    remove_repeats(sockets);
    ASSERT_EQ(sockets.size(), 1002U);
    for (std::uint64_t cookie = 1; cookie <= 1000; ++cookie) {
        EXPECT_EQ(sockets[cookie - 1].cookie, cookie);
        EXPECT_EQ(sockets[cookie - 1].state, cookie <= 333 ? State::time_wait : State::established);
    }
}

TEST(Attributes, AreWalkedInBounds) {
    const Buffer three =
        joined({attribute(1, {1}), attribute(0x8000U | 2U, {}), attribute(3, {1, 2, 3, 4, 5})});
    std::string walked;
    for_each_attribute(three, [&](std::uint16_t type, Bytes value) {
        walked += std::to_string(type) + ":" + std::to_string(value.size()) + " ";
    });
    EXPECT_EQ(walked, "1:1 2:0 3:5 ");
    EXPECT_EQ(find_attribute(three, 3).size(), 5U);
    EXPECT_TRUE(find_attribute(three, 9).empty());
    EXPECT_EQ(load_text(text_bytes("eth0")), "eth0");
    EXPECT_EQ(load_text(Bytes()), "");
    EXPECT_EQ(load<std::uint32_t>(Bytes()), 0U);
    EXPECT_TRUE(after_header(three, 1000).empty());
}

TEST(Bytecode, Shape) {
    EXPECT_TRUE(compile_port_filter({}).empty());
    // "Any local address with this port, or any remote one": two host conditions and a jump.
    const Buffer one = compile_port_filter({6379});
    const Buffer condition =
        joined({Buffer{0, 0, 0, 0}, as_bytes(6379)});  // struct inet_diag_hostcond
    EXPECT_EQ(one,
              joined({Buffer{INET_DIAG_BC_S_COND, 12}, as_bytes(std::uint16_t{16}), condition,
                      Buffer{INET_DIAG_BC_JMP, 4}, as_bytes(std::uint16_t{16}),
                      Buffer{INET_DIAG_BC_D_COND, 12}, as_bytes(std::uint16_t{16}), condition}));
    EXPECT_EQ(compile_port_filter({6379, 6379}), one);
    EXPECT_LT(compile_port_filter({7001, 7000, 7002, 65535}).size(), 4 * one.size())
        << "neighbours are one range";
    std::vector<std::uint16_t> odd;
    for (std::uint16_t port = 1; port < 65535; port += 2) odd.push_back(port);
    EXPECT_TRUE(compile_port_filter(odd).empty());
}

}  // namespace
}  // namespace connleak::netlink

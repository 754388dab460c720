// unix_diag: its decoder on bytes captured, made and cut off, and a dump of the running kernel.
#include <gtest/gtest.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "netlink/sockets/unix_diag.h"
#include "netlink/sockets/unix_diag_decode.h"
#include "tests/unit/netlink/lab.h"

namespace connleak::netlink {
namespace {

using Buffer = std::vector<std::uint8_t>;

template <typename T>
void append(Buffer& bytes, const T& value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

void append_attribute(Buffer& bytes, std::uint16_t type, const Buffer& value) {
    append(bytes, static_cast<std::uint16_t>(4 + value.size()));
    append(bytes, type);
    bytes.insert(bytes.end(), value.begin(), value.end());
    bytes.resize((bytes.size() + 3) / 4 * 4);
}

Buffer text(std::string_view value) {
    return {value.begin(), value.end()};
}

unix_diag_msg head(std::uint8_t type, std::uint8_t state) {
    unix_diag_msg message{};
    message.udiag_family = AF_UNIX;
    message.udiag_type = type;
    message.udiag_state = state;
    message.udiag_ino = 4711;
    message.udiag_cookie[0] = 0x20;
    message.udiag_cookie[1] = 0x1;
    return message;
}

Buffer whole() {
    Buffer bytes;
    append(bytes, head(SOCK_STREAM, 1));
    append_attribute(bytes, UNIX_DIAG_NAME, text(std::string_view("/run/a b\0", 9)));
    Buffer peer, uid, queues;
    append(peer, std::uint32_t{4712});
    append(uid, std::uint32_t{33});
    append(queues, unix_diag_rqlen{5, 768});
    append_attribute(bytes, UNIX_DIAG_PEER, peer);
    append_attribute(bytes, UNIX_DIAG_RQLEN, queues);
    append_attribute(bytes, UNIX_DIAG_UID, uid);
    append_attribute(bytes, UNIX_DIAG_SHUTDOWN, {2});
    return bytes;
}

TEST(UnixDecoder, Whole) {
    const auto socket = decode_unix_socket(whole(), 42);
    ASSERT_TRUE(socket);
    EXPECT_EQ(socket->type, UnixType::stream);
    EXPECT_EQ(socket->name, "/run/a b");
    EXPECT_EQ(socket->peer_inode, 4712U);
    EXPECT_EQ(socket->socket.netns, 42U);
    EXPECT_EQ(socket->socket.state, State::established);
    EXPECT_EQ(socket->socket.inode, 4711U);
    EXPECT_EQ(socket->socket.cookie, 0x1'0000'0020U);
    EXPECT_EQ(socket->socket.uid, 33U);
    EXPECT_EQ(socket->socket.rx_queue_bytes, 5U);
    EXPECT_EQ(socket->socket.tx_queue_bytes, 768U);
    EXPECT_EQ(socket->shutdown, 2U);
}

TEST(UnixDecoder, AbstractNamesKeepEveryByte) {
    const std::string name("\0one\0two\0", 9);
    Buffer bytes;
    append(bytes, head(SOCK_DGRAM, 7));
    append_attribute(bytes, UNIX_DIAG_NAME, text(name));
    const auto socket = decode_unix_socket(bytes, 1);
    ASSERT_TRUE(socket);
    EXPECT_EQ(socket->name, name);
    EXPECT_EQ(socket->type, UnixType::datagram);
    EXPECT_EQ(socket->socket.state, State::closed);
    EXPECT_EQ(socket->peer_inode, 0U);
}

TEST(UnixDecoder, CutOffAnywhere) {
    const Buffer bytes = whole();
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const auto socket = decode_unix_socket(std::span(bytes).first(size), 1);
        EXPECT_EQ(socket.has_value(), size >= sizeof(unix_diag_msg)) << size;
        if (socket) {
            EXPECT_EQ(socket->socket.inode, 4711U);
        }
    }
}

TEST(UnixDecoder, WhoWaitsAndMemory) {
    Buffer waiting, memory;
    for (const std::uint32_t inode : {71U, 0U, 72U}) append(waiting, inode);  // 0: closed meanwhile
    for (std::uint32_t number = 1; number <= 9; ++number) append(memory, number);
    for (std::size_t size = 0; size <= waiting.size(); ++size) {
        Buffer bytes;
        append(bytes, head(SOCK_STREAM, 10));
        append_attribute(bytes, UNIX_DIAG_ICONS,
                         Buffer(waiting.begin(), waiting.begin() + std::ptrdiff_t(size)));
        append_attribute(bytes, UNIX_DIAG_MEMINFO, memory);
        const auto socket = decode_unix_socket(bytes, 1);
        ASSERT_TRUE(socket);
        std::vector<std::uint32_t> expected;
        if (size >= 4) expected.push_back(71);
        if (size >= 12) expected.push_back(72);
        EXPECT_EQ(socket->pending, expected) << size;
        ASSERT_TRUE(socket->socket.memory);
        EXPECT_EQ(socket->socket.memory->sndbuf, 4U);
        EXPECT_EQ(socket->socket.memory->drops, 9U);
    }
}

TEST(UnixDecoder, WhatIsNoUnixSocket) {
    const auto decoded = [](const unix_diag_msg& message) {
        Buffer bytes;
        append(bytes, message);
        return decode_unix_socket(bytes, 1).has_value();
    };
    EXPECT_TRUE(decoded(head(SOCK_SEQPACKET, 10)));
    EXPECT_FALSE(decoded(head(SOCK_RAW, 1)));
    EXPECT_FALSE(decoded(head(SOCK_STREAM, 0)));
    EXPECT_FALSE(decoded(head(SOCK_STREAM, 12)));
    unix_diag_msg other = head(SOCK_STREAM, 1);
    other.udiag_family = AF_INET;
    EXPECT_FALSE(decoded(other));
}

// ---------------------------------------------------------------- the running kernel

std::uint32_t inode_of(const Descriptor& socket) {
    struct stat status {};
    fstat(socket.get(), &status);
    return static_cast<std::uint32_t>(status.st_ino);
}

TEST(UnixKernel, DumpOfANamespace) {
    NEEDS_ROOT();
    const Netns netns = lab::make_netns();
    const std::string name("\0conn\0leak", 10);
    Descriptor pair[2], listener;
    ASSERT_EQ(netns.run([&] {
        int ends[2] = {};
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
        pair[0] = Descriptor(ends[0]);
        pair[1] = Descriptor(ends[1]);
        listener = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(&address.sun_path[0], name.data(), name.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
        EXPECT_EQ(listen(listener.get(), 5), 0);
    }),
              0);
    ASSERT_EQ(write(pair[0].get(), "12345", 5), 5);

    UnixDump dump = dump_unix_sockets(netns);
    EXPECT_FALSE(dump.error);
    ASSERT_EQ(dump.sockets.size(), 3U);
    const auto find = [&](const Descriptor& socket) -> const UnixSocket& {
        return *std::ranges::find_if(dump.sockets, [&](const UnixSocket& each) {
            return each.socket.inode == inode_of(socket);
        });
    };
    const UnixSocket& waiting = find(listener);
    EXPECT_EQ(waiting.name, name);
    EXPECT_EQ(waiting.socket.state, State::listen);
    EXPECT_EQ(waiting.socket.tx_queue_bytes, 5U);
    EXPECT_EQ(waiting.socket.netns, netns.id());
    const UnixSocket& reader = find(pair[1]);
    EXPECT_EQ(reader.type, UnixType::seqpacket);
    EXPECT_EQ(reader.socket.state, State::established);
    EXPECT_EQ(reader.peer_inode, inode_of(pair[0]));
    EXPECT_EQ(reader.socket.rx_queue_bytes, 5U);
    EXPECT_NE(reader.socket.cookie, 0U);
}

// A listener in its own namespace that accepts nothing, and `count` ends that wait for it.
struct Waiting {
    Netns netns = lab::make_netns();
    Descriptor listener;
    std::vector<Descriptor> ends;

    explicit Waiting(int count) {
        EXPECT_EQ(netns.run([&] {
            listener = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            const auto size = static_cast<socklen_t>(sizeof(sa_family_t));
            EXPECT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
            EXPECT_EQ(listen(listener.get(), count), 0);
            socklen_t named = sizeof address;
            auto* const name = reinterpret_cast<sockaddr*>(&address);
            EXPECT_EQ(getsockname(listener.get(), name, &named), 0);
            for (int i = 0; i < count; ++i) {
                ends.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
                EXPECT_EQ(connect(ends.back().get(), name, named), 0);
            }
        }),
                  0);
    }

    static const UnixSocket* find(const UnixDump& dump, const Descriptor& socket) {
        const auto found = std::ranges::find(dump.sockets, inode_of(socket),
                                             [](const auto& each) { return each.socket.inode; });
        return found == dump.sockets.end() ? nullptr : &*found;
    }
};

TEST(UnixKernel, WhoWaitsToBeAccepted) {
    NEEDS_ROOT();
    Waiting world(3);
    world.ends.pop_back();  // closed while it waited
    const UnixDump dump = dump_unix_sockets(world.netns, true);
    EXPECT_FALSE(dump.error);
    EXPECT_FALSE(dump.pending_error);
    const UnixSocket* listener = Waiting::find(dump, world.listener);
    ASSERT_NE(listener, nullptr);
    std::vector<std::uint32_t> expected;
    for (const Descriptor& end : world.ends) {
        expected.push_back(inode_of(end));
        const UnixSocket* client = Waiting::find(dump, end);
        ASSERT_NE(client, nullptr);
        EXPECT_EQ(client->peer_inode, 0U);
        EXPECT_TRUE(client->pending.empty());
        ASSERT_TRUE(client->socket.memory);
        EXPECT_GT(client->socket.memory->sndbuf, 0U);
    }
    EXPECT_EQ(listener->pending, expected);
    EXPECT_FALSE(dump_unix_sockets(world.netns).sockets.front().socket.memory);
}

}  // namespace
}  // namespace connleak::netlink

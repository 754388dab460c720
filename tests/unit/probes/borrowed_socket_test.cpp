// Borrowed sockets, from this very process: real sockets on loopback, what is set on them and what
// comes of it.
#include "probes/liveness/borrowed_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace connleak::probes {
namespace {

struct Pair {
    Descriptor client;
    Descriptor server;
};

Pair connected() {
    const Descriptor listener(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    auto* address = reinterpret_cast<sockaddr*>(&name);
    EXPECT_EQ(bind(listener.get(), address, size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), address, &size), 0);
    Pair pair;
    pair.client = Descriptor(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connect(pair.client.get(), address, size), 0);
    pair.server = Descriptor(accept(listener.get(), nullptr, nullptr));
    return pair;
}

std::uint64_t cookie_of(const Descriptor& descriptor) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    EXPECT_EQ(getsockopt(descriptor.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    return cookie;
}

BorrowedSocket borrow(const Descriptor& descriptor) {
    auto borrowed = BorrowedSocket::borrow({getpid(), descriptor.get()}, cookie_of(descriptor));
    if (!borrowed) throw std::runtime_error("errno " + std::to_string(borrowed.error().code));
    return std::move(*borrowed);
}

template <typename Done>
bool wait_until(Done&& done) {
    for (int i = 0; i < 1000; ++i) {
        if (done()) return true;
        usleep(5000);
    }
    return false;
}

TEST(BorrowedSocket, WhatIsWrittenIsReadBackAndTheOwnerHasItToo) {
    const Pair pair = connected();
    const BorrowedSocket socket = borrow(pair.server);
    const auto before = socket.read();
    ASSERT_TRUE(before);
    EXPECT_FALSE(before->on);
    EXPECT_TRUE(before->writable());
    const KeepaliveSettings wanted{true, 300, 100, 3, 5000};
    EXPECT_EQ(socket.write(wanted), 0);
    EXPECT_EQ(socket.read(), wanted);
    int on = 0;
    socklen_t size = sizeof on;
    EXPECT_EQ(getsockopt(pair.server.get(), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    EXPECT_EQ(on, 1);
    EXPECT_EQ(socket.write(*before), 0);
    EXPECT_EQ(socket.read(), *before);
}

TEST(BorrowedSocket, AnotherSocketUnderTheSameNumberIsNotBorrowed) {
    const Pair pair = connected();
    const auto other =
        BorrowedSocket::borrow({getpid(), pair.server.get()}, cookie_of(pair.client));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ESTALE);
    EXPECT_TRUE(other.error().gone());
    const auto closed = BorrowedSocket::borrow({getpid(), 1'000'000}, cookie_of(pair.client));
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().code, EBADF);
    EXPECT_TRUE(closed.error().gone());
    const auto no_socket = BorrowedSocket::borrow({getpid(), STDIN_FILENO}, cookie_of(pair.client));
    ASSERT_FALSE(no_socket);
    EXPECT_TRUE(no_socket.error().gone());
}

TEST(BorrowedSocket, AProcessThatHasEndedIsGone) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    const auto borrowed = BorrowedSocket::borrow({child, 3}, 1);
    ASSERT_FALSE(borrowed);
    EXPECT_TRUE(borrowed.error().gone());
    EXPECT_EQ(borrowed.error().missing, "");
}

TEST(BorrowedSocket, WithoutTheRightItSaysWhichOne) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: gives it up";
    const Pair pair = connected();
    const std::uint64_t cookie = cookie_of(pair.server);
    const pid_t owner = getpid();
    const pid_t child = fork();
    if (child == 0) {
        if (setuid(65534) != 0) _exit(2);
        const auto borrowed = BorrowedSocket::borrow({owner, pair.server.get()}, cookie);
        const bool told = !borrowed && borrowed.error().code == EPERM && !borrowed.error().gone() &&
                          borrowed.error().missing.find("CAP_SYS_PTRACE") != std::string::npos;
        _exit(told ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(BorrowedSocket, AProbeGoesOutAtOnceAndALivePeerAnswers) {
    const Pair pair = connected();
    const BorrowedSocket socket = borrow(pair.server);
    const auto before = socket.read();
    const auto heard = [&](auto&& holds) {
        return wait_until([&] { return holds(socket.info()->heard_ms); });
    };
    ASSERT_TRUE(heard([](std::uint32_t ms) { return ms >= 1500; }));
    EXPECT_EQ(socket.trigger_probe(), 0);
    EXPECT_TRUE(heard([](std::uint32_t ms) { return ms < 1000; }));
    EXPECT_EQ(socket.write(*before), 0);
    EXPECT_EQ(socket.read(), *before);
    EXPECT_EQ(socket.info()->state, State::established);
    EXPECT_EQ(socket.info()->probes, 0);
}

TEST(BorrowedSocket, RestoredWithKeepaliveOnItLooksAgainAfterTheWholeTime) {
    const Pair pair = connected();
    const KeepaliveSettings tight{true, 2, 1, 1, 0};
    const BorrowedSocket socket = borrow(pair.server);
    EXPECT_EQ(socket.write(tight), 0);
    EXPECT_EQ(socket.trigger_probe(), 0);
    EXPECT_NE(socket.read(), tight);
    EXPECT_EQ(socket.write(tight), 0);
    EXPECT_EQ(socket.read(), tight);
    EXPECT_EQ(socket.info()->state, State::established);
}

TEST(BorrowedSocket, ValuesThatOnlyTheHostCanHaveAreNotWritable) {
    EXPECT_TRUE((KeepaliveSettings{false, 7200, 75, 9, 0}).writable());
    EXPECT_TRUE((KeepaliveSettings{true, 32767, 32767, 127, 0}).writable());
    EXPECT_FALSE((KeepaliveSettings{false, 86400, 75, 9, 0}).writable());
    EXPECT_FALSE((KeepaliveSettings{false, 7200, 40000, 9, 0}).writable());
    EXPECT_FALSE((KeepaliveSettings{false, 7200, 75, 200, 0}).writable());
}

TEST(BorrowedSocket, ThePeersDataAreCountedUntilTheyAreRead) {
    const Pair pair = connected();
    const BorrowedSocket socket = borrow(pair.server);
    EXPECT_EQ(socket.info()->unread_bytes, 0);
    ASSERT_EQ(send(pair.client.get(), "hello", 5, 0), 5);
    EXPECT_TRUE(wait_until([&] { return socket.info()->unread_bytes == 5; }));
}

}  // namespace
}  // namespace connleak::probes

// Closing one socket in the kernel: exactly that one, and what is said when it cannot be done.
#include "netlink/sockets/sock_destroy.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "tests/unit/netlink/lab.h"

namespace connleak::netlink {
namespace {

using namespace lab;

struct Connected {
    Netns netns = make_netns();
    Descriptor listener;
    Descriptor client;
    Descriptor server;
    Connected(const std::string& to, const std::string& bound, const Options& options = {}) {
        listener = listen_on(netns, endpoint(bound), {.ipv6 = bound.starts_with('[')});
        client = connect_to(netns, endpoint(to), options);
        server = accept_from(listener);
    }
    [[nodiscard]] std::optional<Socket> of(const Descriptor& socket) const {
        auto table = SocketTable::open(netns);
        return *table->lookup(tuple_of(socket), {1});
    }
    [[nodiscard]] int destroy(const Socket& socket) const {
        return SocketDestroyer::open(netns)->destroy(socket);
    }
};

TEST(SockDestroy, ClosesExactlyThatSocket) {
    NEEDS_ROOT();
    for (const auto& [to, bound] : {std::pair{"127.0.0.1:6379", "127.0.0.1:6379"},
                                    {"[::1]:6379", "[::]:6379"},
                                    {"127.0.0.1:6379", "[::]:6379"}}) {  // v4-mapped
        const Connected made(to, bound);
        const Descriptor other = connect_to(made.netns, endpoint(to));
        const Descriptor other_server = accept_from(made.listener);
        const Tuple tuple = tuple_of(made.server);
        const auto socket = made.of(made.server);
        ASSERT_TRUE(socket) << to;
        EXPECT_EQ(made.destroy(*socket), 0) << to;
        auto table = SocketTable::open(made.netns);
        EXPECT_FALSE(*table->lookup(tuple, {})) << to;
        EXPECT_EQ(made.destroy(*socket), ENOENT) << "a second time";
        char byte = 0;
        EXPECT_EQ(recv(made.server.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNABORTED);
        EXPECT_EQ(made.of(other_server)->state, State::established);
        EXPECT_EQ(send(other.get(), "x", 1, 0), 1);
    }
}

TEST(SockDestroy, AnotherSocketWithTheSameTupleIsLeftAlone) {
    NEEDS_ROOT();
    const Connected made("127.0.0.1:6379", "127.0.0.1:6379");
    auto socket = made.of(made.server);
    ASSERT_TRUE(socket);
    ++socket->cookie;
    EXPECT_EQ(made.destroy(*socket), ENOENT);
    socket->cookie += (1ULL << 32U) - 1;  // the upper half counts as well
    EXPECT_EQ(made.destroy(*socket), ENOENT);
    EXPECT_EQ(made.of(made.server)->state, State::established);
}

TEST(SockDestroy, ASocketThatIsBoundToADevice) {
    NEEDS_ROOT();
    const Connected made("127.0.0.1:6379", "127.0.0.1:6379", {.device = "lo"});
    const auto socket = made.of(made.client);
    ASSERT_TRUE(socket);
    ASSERT_NE(socket->interface, 0U);
    EXPECT_EQ(made.destroy(*socket), 0);
}

TEST(SockDestroy, WithoutTheRight) {
    NEEDS_ROOT();
    const Connected made("127.0.0.1:6379", "127.0.0.1:6379");
    const auto socket = made.of(made.server);
    ASSERT_TRUE(socket);
    auto destroyer = SocketDestroyer::open(made.netns);
    const pid_t child = fork();
    if (child == 0) {
        if (setuid(65534) != 0) _exit(200);
        _exit(destroyer->destroy(*socket));
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), EPERM);
    EXPECT_EQ(made.of(made.server)->state, State::established);
}

}  // namespace
}  // namespace connleak::netlink

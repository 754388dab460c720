// Conversations with a real redis-server that each test starts for itself, on loopback, and ends by
// its pid.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/probes/redis_describe.h"

namespace connleak::probes {
namespace {

constexpr const char* program = "/usr/bin/redis-server";

int open_stream(int family) {
    return socket(family, SOCK_STREAM, 0);
}

// A free port of loopback. Another could take it before the server does; then the start is tried
// again.
std::uint16_t free_port() {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    bind(descriptor, raw, size);
    getsockname(descriptor, raw, &size);
    close(descriptor);
    return ntohs(address.sin_port);
}

class RedisServer : public testing::Test {
  protected:
    void SetUp() override {
        if (access(program, X_OK) != 0) GTEST_SKIP() << program << " is not installed";
        std::string name = std::filesystem::temp_directory_path() / "connleak-redis-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }

    void TearDown() override {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);  // also ends one that SIGSTOP holds
            waitpid(pid_, nullptr, 0);
        }
        for (const int descriptor : idle_) close(descriptor);
        if (!folder_.empty()) std::filesystem::remove_all(folder_);
    }

    void start(const std::string& configuration) {
        for (int attempt = 0; attempt < 5; ++attempt)
            if (start_once(configuration)) return;
        FAIL() << "redis-server does not start in " << folder_;
    }

    bool start_once(const std::string& configuration) {
        port_ = free_port();
        const std::string file = folder_ / "redis.conf";
        std::ofstream(file) << "port " << port_ << "\nbind 127.0.0.1\nsave \"\"\ndir " << folder_
                            << "\nunixsocket " << socket_path() << "\nlogfile " << folder_ / "log"
                            << "\n"
                            << configuration;
        char* const arguments[] = {const_cast<char*>(program), const_cast<char*>(file.c_str()),
                                   nullptr};
        if (posix_spawn(&pid_, program, nullptr, nullptr, arguments, environ) != 0) return false;
        for (int i = 0; i < 1000; ++i) {
            // Made after the TCP port is open.
            if (access(socket_path().c_str(), F_OK) == 0) return true;
            if (waitpid(pid_, nullptr, WNOHANG) == pid_) break;
            std::this_thread::sleep_for(5ms);
        }
        return false;
    }

    [[nodiscard]] std::string socket_path() const { return folder_ / "redis.sock"; }
    [[nodiscard]] Endpoint endpoint() const { return {*Address::parse("127.0.0.1"), port_}; }

    // A client that stays idle.
    void connect_idle() {
        const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port_);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ASSERT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        idle_.push_back(descriptor);
        // Its answer shows that the server has it.
        ASSERT_EQ(write(descriptor, "PING\r\n", 6), 6);
        char answer[64];
        ASSERT_GT(read(descriptor, answer, sizeof answer), 0);
    }

    [[nodiscard]] ServerAnswer ask(const Credentials& credentials = {},
                                   Limits limits = {3s, 12s, 1U << 20U}) const {
        RedisConversation conversation("server", credentials, limits);
        return conversation.ask(endpoint(), open_stream);
    }

    // As everywhere, and never with the password.
    static std::string describe(const ServerAnswer& answer) {
        std::string text = probes::describe(answer);
        EXPECT_EQ(text.find("s3cret"), std::string::npos);
        return text;
    }

    pid_t pid_ = 0;

  private:
    std::filesystem::path folder_;
    std::uint16_t port_ = 0;
    std::vector<int> idle_;
};

TEST_F(RedisServer, Plain) {
    start("tcp-keepalive 60\ntimeout 7200\nmaxclients 50\n");
    connect_idle();
    connect_idle();
    RedisConversation conversation("server", {}, {});
    const ServerAnswer answer = conversation.ask(endpoint(), open_stream);
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_EQ(answer.kind, ServerKind::redis);
    EXPECT_FALSE(answer.version.empty());
    EXPECT_EQ(answer.process_id, pid_);
    EXPECT_EQ(answer.connected_clients, 3U);
    EXPECT_EQ(answer.maxclients, 50U);
    EXPECT_EQ(answer.tcp_keepalive_s, 60U);
    EXPECT_EQ(answer.timeout_s, 7200U);
    EXPECT_TRUE(answer.clients_complete);
    EXPECT_EQ(answer.clients.size(), 2U);
    ASSERT_TRUE(answer.own_connection);
    EXPECT_EQ(answer.own_address_seen, answer.own_connection->local);
    EXPECT_EQ(answer.own_local_seen, answer.own_connection->remote);

    connect_idle();
    const auto again = conversation.clients_again();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->size(), 3U);
    EXPECT_EQ(conversation.run_id_again(), answer.run_id);
    EXPECT_EQ(answer.run_id.size(), 40U);
}

TEST_F(RedisServer, ByItsUnixSocket) {
    start("");
    connect_idle();
    RedisConversation conversation("server", {}, {});
    const ServerAnswer answer = conversation.ask_unix(socket_path(), open_stream);
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_EQ(answer.clients.size(), 1U);
    EXPECT_FALSE(answer.own_connection);
    EXPECT_FALSE(answer.own_address_seen);
    EXPECT_TRUE(answer.own_id);
    EXPECT_EQ(conversation.run_id_again(), answer.run_id);
}

TEST_F(RedisServer, WithAPassword) {
    start("requirepass s3cret\n");
    const ServerAnswer without = ask();
    EXPECT_EQ(
        describe(without),
        "reachable\nerror: NOAUTH Authentication required.\ngap: NOAUTH: " + everything + "\n");
    const ServerAnswer wrong = ask(login("", "s3cret?"));
    EXPECT_TRUE(describe(wrong).starts_with("reachable\nerror: WRONGPASS "));
    EXPECT_EQ(wrong.gaps.size(), 1U);
    EXPECT_EQ(describe(ask(login("", "s3cret"))), "reachable\n");
    EXPECT_EQ(describe(ask(login("default", "s3cret"))), "reachable\n");
    RedisConversation conversation("server", login("", "s3cret"), {});
    const ServerAnswer answer = conversation.ask(endpoint(), open_stream);
    EXPECT_EQ(conversation.run_id_again(), answer.run_id);
    EXPECT_FALSE(answer.run_id.empty());
}

TEST_F(RedisServer, WithAPasswordThatItDoesNotWant) {
    start("");
    EXPECT_EQ(describe(ask(login("", "s3cret"))), "reachable\n");
}

TEST_F(RedisServer, WithAUserWhoMayOnlyAskInfo) {
    start("user monitor on >s3cret +info\nuser default off\n");
    const ServerAnswer answer = ask(login("monitor", "s3cret"));
    const std::string text = describe(answer);
    EXPECT_TRUE(text.starts_with("reachable\nerror: NOPERM "));
    EXPECT_TRUE(
        text.ends_with("\ngap: NOPERM: the server's tcp-keepalive and timeout settings\n"
                       "gap: NOPERM: the server's own list of its clients\n"));
    EXPECT_EQ(answer.gaps.size(), 2U);
    EXPECT_EQ(answer.connected_clients, 1U);
    EXPECT_FALSE(answer.clients_complete);
}

TEST_F(RedisServer, WithRenamedCommands) {
    start("rename-command CONFIG secret-config\nrename-command AUTH \"\"\n");
    connect_idle();
    const ServerAnswer answer = ask(login("", "s3cret"));
    EXPECT_EQ(
        describe(answer),
        "reachable\nerror: ERR unknown command 'AUTH'\n"
        "gap: ERR unknown command 'AUTH': what only this login may see: the server was asked "
        "without it\n"
        "gap: ERR unknown command 'CONFIG': the server's tcp-keepalive and timeout settings\n");
    EXPECT_EQ(answer.clients.size(), 1U);
    EXPECT_EQ(answer.maxclients, 10000U);
}

TEST_F(RedisServer, FullOfClients) {
    start("maxclients 3\n");
    for (int i = 0; i < 3; ++i) connect_idle();
    for (const Credentials& credentials : {Credentials{}, login("", "s3cret")}) {
        const ServerAnswer answer = ask(credentials);
        EXPECT_TRUE(answer.refused_at_limit);
        EXPECT_EQ(describe(answer),
                  "not reachable\nerror: ERR max number of clients reached\n"
                  "gap: ERR max number of clients reached: " +
                      everything + "\n");
    }
}

TEST_F(RedisServer, Stopped) {
    start("");
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    const auto begin = std::chrono::steady_clock::now();
    const ServerAnswer answer = ask({}, {200ms, 1s, 1U << 20U});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
    EXPECT_EQ(describe(answer), "not reachable\nerror: no answer within 200 ms\ngap: ETIMEDOUT: " +
                                    everything + "\n");
}

TEST_F(RedisServer, StoppedBetweenTheLooks) {
    start("");
    RedisConversation conversation("server", {}, {200ms, 1s, 1U << 20U});
    EXPECT_EQ(describe(conversation.ask(endpoint(), open_stream)), "reachable\n");
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(conversation.clients_again());
    EXPECT_EQ(conversation.run_id_again(), "");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

}  // namespace
}  // namespace connleak::probes

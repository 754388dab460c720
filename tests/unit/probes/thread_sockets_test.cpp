// Which descriptor a server's thread waits at: from files as the kernel writes them, and from the
// kernel itself.
#include "probes/proc/thread_sockets.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "system/descriptor.h"

namespace connleak::probes {
namespace {

namespace fs = std::filesystem;

std::string parsed(std::string_view text) {
    const auto call = parse_blocked_call(text);
    if (!call) return "none";
    return std::to_string(call->number) + ' ' + std::to_string(call->first) + ' ' +
           std::to_string(call->second);
}

TEST(BlockedCallText, AsTheKernelWritesIt) {
    EXPECT_EQ(parsed("7 0x7f2c5c3fec88 0x1 0x1b77400 0x0 0x0 0x0 0x7f2c5c3febe0 0x7f2c9d4f9d2f\n"),
              "7 139828502981768 1");
    EXPECT_EQ(parsed("0 0x3 0x55d0a8a3b2a0 0x400 0x0 0x0 0x0 0x7ffd2b7c1a48 0x7f7c0a1148e1\n"),
              "0 3 94354670858912");
    EXPECT_EQ(parsed("45 0xffffffffffffffff 0x0"), "45 18446744073709551615 0");
}

TEST(BlockedCallText, AThreadThatWaitsInNoCall) {
    EXPECT_EQ(parsed("running\n"), "none");
    EXPECT_EQ(parsed("-1 0x7ffd2b7c1a48 0x7f7c0a1148e1\n"), "none") << "stopped, or in a fault";
}

TEST(BlockedCallText, Garbage) {
    for (const char* text : {"",
                             "\n",
                             " ",
                             "7",
                             "7\n",
                             "7 ",
                             "7 0x1",
                             "7 0x1\n",
                             "7 1 1",
                             "7 0x 0x1",
                             "7 0x1 0x",
                             "7 0xg 0x1",
                             "7 0x1 0x1z",
                             "7x 0x1 0x1",
                             "+7 0x1 0x1",
                             "7  0x1 0x1",
                             "7 0x10000000000000000 0x1",
                             "99999999999999999999 0x1 0x1",
                             "0x7 0x1 0x1",
                             "7 -0x1 0x1",
                             "7 0x-1 0x1"})
        EXPECT_EQ(parsed(text), "none") << text;
    EXPECT_EQ(parsed(std::string("7 0x1 0x1\0", 10)), "none");
}

// What the kernel would show of process 4242, in a folder.
class FakeProc {
  public:
    static constexpr std::int32_t pid = 4242;
    static constexpr std::uint64_t polled_at = 4096;  // where the threads keep what they poll

    explicit FakeProc(const std::string& namespace_pids = "4242") {
        std::string name = (fs::temp_directory_path() / "connleak-proc-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
        fs::create_directories(process() / "task");
        write(process() / "status", status(namespace_pids));
        write(process() / "mem", "");
    }
    FakeProc(const FakeProc&) = delete;
    FakeProc& operator=(const FakeProc&) = delete;
    ~FakeProc() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    void thread(std::int32_t tid, const std::string& syscall,
                const std::string& namespace_pids = "4242") {
        const fs::path folder = process() / "task" / std::to_string(tid);
        fs::create_directories(folder);
        write(folder / "syscall", syscall);
        write(folder / "status", status(namespace_pids));
    }
    void polls(int fd) {
        pollfd polled{};
        polled.fd = fd;
        std::string bytes(sizeof polled, '\0');
        std::memcpy(bytes.data(), &polled, sizeof polled);
        write(process() / "mem", std::string(polled_at, '\0') + bytes);
    }
    [[nodiscard]] fs::path process() const { return fs::path(root_) / std::to_string(pid); }

    // "8", or "-" for none.
    [[nodiscard]] std::string found(std::int32_t tid) const {
        std::vector<ServerClient> clients(1);
        clients[0].thread_id = tid;
        find_thread_sockets(pid, clients, root_);
        return clients[0].fd ? std::to_string(*clients[0].fd) : "-";
    }
    [[nodiscard]] const std::string& root() const { return root_; }

  private:
    static std::string status(const std::string& namespace_pids) {
        return "Name:\tmariadbd\nTgid:\t4242\nPPid:\t1\nUid:\t0\t0\t0\t0\nNSpid:\t" +
               namespace_pids + "\n";
    }
    static void write(const fs::path& file, const std::string& text) {
        std::ofstream(file, std::ios::binary) << text;
    }

    std::string root_;
};

std::string call(long number, const std::string& arguments) {
    return std::to_string(number) + ' ' + arguments +
           " 0x0 0x0 0x0 0x7ffd2b7c1a48 0x7f7c0a1148e1\n";
}

TEST(ThreadSockets, WhatIsReadAndWhatIsPolled) {
    FakeProc proc;
    proc.polls(77);
    proc.thread(4250, call(SYS_read, "0x1f 0x1000 0x4"));
    proc.thread(4251, call(SYS_recvfrom, "0x20 0x1000 0x4"));
    proc.thread(4252, call(SYS_ppoll, "0x1000 0x1 0x0"));
    EXPECT_EQ(proc.found(4250), "31");
    EXPECT_EQ(proc.found(4251), "32");
    EXPECT_EQ(proc.found(4252), "77");
#ifdef SYS_poll
    proc.thread(4253, call(SYS_poll, "0x1000 0x1 0xffffffff"));
    EXPECT_EQ(proc.found(4253), "77");
#endif
}

TEST(ThreadSockets, WhatTellsNoSocketFillsNothing) {
    FakeProc proc;
    proc.polls(77);
    proc.thread(4250, "running\n");
    proc.thread(4251, "-1 0x7ffd2b7c1a48 0x7f7c0a1148e1\n");
    proc.thread(4252, call(SYS_futex, "0x1f 0x1 0x1"));
    proc.thread(4253, call(SYS_ppoll, "0x1000 0x2 0x0"));          // of two, which
    proc.thread(4254, call(SYS_ppoll, "0x7f0000000000 0x1 0x0"));  // not to be read
    proc.thread(4255, call(SYS_ppoll, "0xffffffffffffffff 0x1 0x0"));
    proc.thread(4256, call(SYS_ppoll, "0x1001 0x1 0x0"));  // reaches over the end
    proc.thread(4257, "");
    proc.thread(4258, call(SYS_write, "0x1f 0x1000 0x4"));
    for (std::int32_t tid = 4250; tid <= 4258; ++tid) EXPECT_EQ(proc.found(tid), "-") << tid;
    EXPECT_EQ(proc.found(4999), "-") << "no such thread";
    proc.polls(-1);
    proc.thread(4259, call(SYS_ppoll, "0x1000 0x1 0x0"));
    EXPECT_EQ(proc.found(4259), "-") << "poll() leaves out a descriptor below zero";
}

// In a container the server tells the names that its threads have there.
TEST(ThreadSockets, ThreadsOfAContainerHaveNamesOfTheirOwn) {
    FakeProc proc("4242\t1");
    proc.thread(4242, call(SYS_read, "0x5 0x1000 0x4"), "4242\t1");
    proc.thread(4250, call(SYS_read, "0x1f 0x1000 0x4"), "4250\t31");
    proc.thread(4251, call(SYS_read, "0x20 0x1000 0x4"), "4251\t32");
    EXPECT_EQ(proc.found(31), "31");
    EXPECT_EQ(proc.found(32), "32");
    EXPECT_EQ(proc.found(1), "5");
    EXPECT_EQ(proc.found(4250), "-") << "nobody in there is called so";
}

TEST(ThreadSockets, OnlyOfThoseWhoseRowTellsAThreadAndNoAddress) {
    FakeProc proc;
    proc.thread(4250, call(SYS_read, "0x1f 0x1000 0x4"));
    std::vector<ServerClient> clients(3);
    clients[0].thread_id = 4250;
    clients[0].address = Endpoint::parse("10.0.0.7:41234");
    clients[1].by_unix_socket = true;
    clients[2].thread_id = 4250;
    clients[2].host_name = "web1";
    clients[2].host_port = 41234;
    find_thread_sockets(FakeProc::pid, clients, proc.root());
    EXPECT_FALSE(clients[0].fd);
    EXPECT_FALSE(clients[1].fd);
    EXPECT_EQ(clients[2].fd, 31);
}

TEST(ThreadSockets, WhatMayNotBeReadFillsNothing) {
    FakeProc proc;
    proc.thread(4250, call(SYS_read, "0x1f 0x1000 0x4"));
    ASSERT_EQ(proc.found(4250), "31");
    fs::remove(proc.process() / "mem");  // open() fails, as EACCES does
    EXPECT_EQ(proc.found(4250), "-");
    std::vector<ServerClient> clients(1);
    clients[0].thread_id = 4250;
    find_thread_sockets(4243, clients, proc.root());
    EXPECT_FALSE(clients[0].fd) << "no such process";
    find_thread_sockets(FakeProc::pid, clients, "/nonexistent");
    EXPECT_FALSE(clients[0].fd);
}

// A child that waits in `wait` until it is ended.
class Child {
  public:
    explicit Child(const std::function<void()>& wait) : pid_(::fork()) {
        if (pid_ != 0) return;
        wait();
        ::_exit(0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] std::int32_t pid() const { return pid_; }

  private:
    pid_t pid_;
};

// The descriptor that the process' first thread waits at, once it does.
std::optional<std::int32_t> waits_at(std::int32_t pid) {
    using namespace std::chrono_literals;
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < give_up) {
        std::vector<ServerClient> clients(1);
        clients[0].thread_id = pid;
        find_thread_sockets(pid, clients);
        if (clients[0].fd) return clients[0].fd;
        std::this_thread::sleep_for(5ms);
    }
    return std::nullopt;
}

class ThreadSocketsOfTheKernel : public testing::Test {
  protected:
    void SetUp() override {
        if (::access("/proc/self/syscall", R_OK) != 0)
            GTEST_SKIP() << "this kernel does not tell what threads wait in";
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        near_ = Descriptor(ends[0]);
        far_ = Descriptor(ends[1]);
    }

    Descriptor near_, far_;
};

TEST_F(ThreadSocketsOfTheKernel, Polling) {
    const Child child([&] {
        pollfd polled{near_.get(), POLLIN, 0};
        ::poll(&polled, 1, -1);
    });
    ASSERT_GT(child.pid(), 0);
    EXPECT_EQ(waits_at(child.pid()), near_.get());
}

TEST_F(ThreadSocketsOfTheKernel, Reading) {
    const Child child([&] {
        char byte = 0;
        [[maybe_unused]] const ssize_t got = ::recv(near_.get(), &byte, 1, 0);
    });
    ASSERT_GT(child.pid(), 0);
    EXPECT_EQ(waits_at(child.pid()), near_.get());
}

TEST_F(ThreadSocketsOfTheKernel, AnEndedProcessFillsNothing) {
    std::vector<ServerClient> clients(1);
    {
        const Child child([] { ::pause(); });
        ASSERT_GT(child.pid(), 0);
        clients[0].thread_id = child.pid();
    }
    find_thread_sockets(*clients[0].thread_id, clients);
    EXPECT_FALSE(clients[0].fd);
}

}  // namespace
}  // namespace connleak::probes

#include "probes/proc/processes.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "probes/proc/process_sockets.h"

namespace connleak::probes {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

class ProcTree : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "connleak-proc-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        write("stat", "cpu 1\nbtime 1700000000\n");
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(const std::string& path, const std::string& text) const {
        const fs::path file = root_ + "/" + path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    void link(const std::string& path, const std::string& target) const {
        const fs::path file = root_ + "/" + path;
        fs::create_directories(file.parent_path());
        fs::create_symlink(target, file);
    }
    void process(int pid, int parent, const std::string& comm, const std::string& cmdline,
                 const std::string& state = "S") const {
        const std::string folder = std::to_string(pid);
        fs::create_directories(root_ + "/" + folder + "/fd");
        const std::string ticks = std::to_string(100 * ::sysconf(_SC_CLK_TCK));
        write(folder + "/stat", folder + " (" + comm + ") " + state + " " + std::to_string(parent) +
                                    " 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 " + ticks +
                                    " 0 0\n");
        write(folder + "/comm", comm + "\n");
        write(folder + "/cmdline", cmdline);
        write(folder + "/status", "Name:\tx\nUid:\t0\t0\t0\t0\nNSpid:\t" + folder + "\t7\n");
        write(folder + "/cgroup", "0::/system.slice/unit" + folder + ".service\n");
        write(folder + "/limits",
              "Max open files            1024                 4096                 files\n");
        link(folder + "/ns/net", "net:[4026531840]");
    }
    void descriptor(int pid, int fd, const std::string& target) const {
        link(std::to_string(pid) + "/fd/" + std::to_string(fd), target);
    }

    std::string root_;
};

TEST_F(ProcTree, DescribesTheHolders) {
    process(312, 1, "redis-server", "redis-server *:6379\0\0\0"s);
    descriptor(312, 0, "/dev/null");
    descriptor(312, 6, "socket:[1001]");
    descriptor(312, 7, "socket:[9999]");
    process(313, 1, "idle", "idle\0"s);
    const auto result = read_processes({1001, 5555}, root_);
    ASSERT_EQ(result.owners.size(), 1U);
    EXPECT_EQ(result.owners.at(1001), (std::vector<Owner>{{312, 6}}));
    ASSERT_EQ(result.by_pid.size(), 1U);
    const Process& process = result.by_pid.at(312);
    EXPECT_EQ(process.pid, 312);
    EXPECT_EQ(process.parent, 1);
    EXPECT_EQ(process.namespace_pid, 7);
    EXPECT_EQ(process.start_time, 1700000100);
    EXPECT_EQ(process.comm, "redis-server");
    EXPECT_EQ(process.command, "redis-server *:6379");
    EXPECT_EQ(process.user, "root");
    EXPECT_EQ(process.uid, 0U);
    EXPECT_EQ(process.unit, "unit312.service");
    EXPECT_EQ(process.container, "");
    EXPECT_EQ(process.netns, 4026531840U);
    EXPECT_EQ(process.group, "unit312.service");
    EXPECT_EQ(process.group_kind, GroupKind::unit);
    EXPECT_EQ(process.fd_limit, 1024U);
    EXPECT_EQ(result.processes_read, 2U);
    EXPECT_TRUE(result.gaps.empty());
    EXPECT_TRUE(result.pools.empty());
}

TEST_F(ProcTree, KeepsAllOwnersInOrder) {
    for (const int pid : {9, 100, 20}) {
        process(pid, 1, "worker", "worker\0"s);
        for (const int fd : {12, 3}) descriptor(pid, fd, "socket:[77]");
    }
    EXPECT_EQ(read_processes({77}, root_).owners.at(77),
              (std::vector<Owner>{{9, 3}, {9, 12}, {20, 3}, {20, 12}, {100, 3}, {100, 12}}));
}

TEST_F(ProcTree, WhatIsBesideMakesNoHolder) {
    process(9, 1, "proxy", "proxy\0"s);
    descriptor(9, 3, "socket:[77]");
    descriptor(9, 4, "socket:[500]");
    process(20, 1, "other", "other\0"s);
    descriptor(20, 3, "socket:[500]");
    descriptor(20, 4, "socket:[501]");
    const auto result = read_processes({77}, root_, "", {500, 501, 502});
    EXPECT_EQ(result.owners.size(), 2U);
    EXPECT_EQ(result.owners.at(77), (std::vector<Owner>{{9, 3}}));
    EXPECT_EQ(result.owners.at(500), (std::vector<Owner>{{9, 4}}));
    EXPECT_EQ(result.by_pid.size(), 1U);
    EXPECT_TRUE(result.gaps.empty());
    EXPECT_TRUE(read_processes({}, root_, "", {500}).owners.empty());
}

TEST_F(ProcTree, TheSocketsOfSome) {
    for (const int pid : {9, 20, 30}) {
        process(pid, 1, "worker\x1b" + std::to_string(pid), "worker\0"s);
        descriptor(pid, 3, "socket:[77]");
        descriptor(pid, 4, "socket:[" + std::to_string(500 + pid) + "]");
    }
    const auto found = sockets_of({20, 4242, 9}, {77, 509, 530}, root_);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].pid, 20);
    EXPECT_EQ(found[0].comm,
              "worker\x1b"
              "20");
    EXPECT_EQ(found[0].sockets, (std::vector<std::uint32_t>{77}));
    EXPECT_EQ(found[1].pid, 9);
    EXPECT_EQ(std::ranges::count(found[1].sockets, 509U), 1);
    EXPECT_EQ(found[1].sockets.size(), 2U);
    EXPECT_TRUE(sockets_of({9}, {77}, root_ + "/none").empty());
}

TEST_F(ProcTree, NothingWantedNothingRead) {
    process(1, 0, "init", "init\0"s);
    const auto result = read_processes({}, root_);
    EXPECT_EQ(result.processes_read, 0U);
    EXPECT_TRUE(read_processes({}, root_ + "/none").gaps.empty());
}

TEST_F(ProcTree, BytesOfAProcessStayRaw) {
    process(5, 1, ") (\x1b[31m\n\xff", "evil\n\x1b]0;x\x07\0\xff\xfe\0"s);
    write("5/cgroup", "0::/\n");
    descriptor(5, 3, "socket:[8]");
    const auto result = read_processes({8}, root_);
    const Process& process = result.by_pid.at(5);
    EXPECT_EQ(process.comm, ") (\x1b[31m\n\xff");
    EXPECT_EQ(process.command, "evil\n\x1b]0;x\x07 \xff\xfe");
    EXPECT_EQ(process.group, "evil\n\x1b]0;x\x07");
    EXPECT_EQ(process.parent, 1);
}

TEST_F(ProcTree, CommandsAreBounded) {
    process(5, 1, "java", "java\0"s + std::string(100'000, 'x') + "\0"s);
    descriptor(5, 3, "socket:[8]");
    EXPECT_EQ(read_processes({8}, root_).by_pid.at(5).command.size(), 4096U);
}

TEST_F(ProcTree, WhatWentAwayIsLeftOut) {
    process(5, 1, "a", "a\0"s);
    descriptor(5, 3, "socket:[8]");
    fs::remove(root_ + "/5/stat");  // gone between its descriptors and its description
    fs::create_directories(root_ + "/6");
    const auto result = read_processes({8}, root_);
    EXPECT_TRUE(result.owners.empty());
    EXPECT_TRUE(result.by_pid.empty());
    EXPECT_TRUE(result.gaps.empty());
}

TEST_F(ProcTree, TheFirstThreadCanEndBeforeTheOthers) {
    process(5, 1, "server", "", "Z");
    write("5/task/5/stat", "");
    link("5/task/6/fd/3", "socket:[8]");
    write("5/task/6/cmdline", "/usr/bin/server\0"s);
    link("5/task/6/ns/net", "net:[42]");
    process(7, 1, "dead", "", "Z");
    const auto result = read_processes({8}, root_);
    EXPECT_EQ(result.owners.at(8), (std::vector<Owner>{{5, 3}}));
    EXPECT_EQ(result.by_pid.at(5).command, "/usr/bin/server");
    EXPECT_EQ(result.by_pid.at(5).netns, 42U);
    EXPECT_TRUE(result.gaps.empty());
}

TEST_F(ProcTree, AProcThatCannotBeReadIsAGap) {
    const std::string effect = "which processes hold the connections is not known";
    EXPECT_EQ(read_processes({1}, root_ + "/none").gaps,
              (std::vector<Gap>{{"proc", root_ + "/none", "ENOENT", effect}}));
    EXPECT_EQ(read_processes({1}, root_).gaps,
              (std::vector<Gap>{{"proc", root_, "no process there", effect}}));
    EXPECT_EQ(read_processes({1}, root_ + "/stat").gaps,
              (std::vector<Gap>{{"proc", root_ + "/stat", "ENOTDIR", effect}}));
}

TEST_F(ProcTree, HidingMountIsAGap) {
    process(5, 1, "a", "a\0"s);
    write("self/mountinfo", "23 22 0:4 / " + root_ + " rw - proc proc rw,hidepid=invisible\n");
    write("self/status", "Gid:\t100\t100\t100\t100\nCapEff:\t0000000000000000\n");
    EXPECT_EQ(
        read_processes({1}, root_).gaps,
        (std::vector<Gap>{{"proc", root_, "hidepid=invisible",
                           "the processes of other users are not shown, so their connections have "
                           "no owner"}}));
}

// For a child that gives up its rights, because root may read everything.
[[noreturn]] void exit_with_gaps_compared(const std::string& root,
                                          const std::vector<Gap>& expected) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) std::_Exit(2);
    std::_Exit(read_processes({1}, root).gaps == expected ? 0 : 1);
}

TEST_F(ProcTree, HiddenProcessesAreOneGap) {
    process(5, 1, "a", "a\0"s);
    process(6, 1, "b", "b\0"s);
    process(7, 1, "zombie", "", "Z");
    ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
    for (const char* pid : {"5", "6", "7"}) {
        ASSERT_EQ(::chmod((root_ + "/" + pid + "/fd").c_str(), 0), 0);
    }
    const std::vector<Gap> two = {
        {"proc", "2 processes", "EACCES", "whether they hold connections is not known"}};
    EXPECT_EXIT(exit_with_gaps_compared(root_, two), ::testing::ExitedWithCode(0), "");
    ASSERT_EQ(::chmod((root_ + "/5/fd").c_str(), 0755), 0);
    const std::vector<Gap> one = {
        {"proc", "pid 6", "EACCES", "whether it holds connections is not known"}};
    EXPECT_EXIT(exit_with_gaps_compared(root_, one), ::testing::ExitedWithCode(0), "");
}

class PoolTree : public ProcTree {
  protected:
    void pool(const std::string& configuration) const {
        process(100, 1, "php-fpm8.2", "php-fpm: master process (" + configuration + ")\0"s);
        link("100/exe", "/usr/sbin/php-fpm8.2");
        link("100/cwd", "/etc/php");
        for (const int pid : {101, 102, 103}) {
            process(pid, 100, "php-fpm8.2", "php-fpm: pool www\0\0\0   "s);
        }
        process(104, 100, "php-fpm8.2", "php-fpm: pool quiet\0"s);
        process(200, 1, "php-fpm7.4", "php-fpm: master process (/other.conf)\0"s);
        process(201, 200, "php-fpm7.4", "php-fpm: pool www\0"s);
        descriptor(101, 5, "socket:[8]");
        descriptor(102, 5, "socket:[9]");
        write("files/etc/php/fpm.conf", "include=/etc/php/pool.d/*.conf\n");
        write("files/etc/php/pool.d/www.conf", "[www]\npm.max_children = 50\n");
    }
    [[nodiscard]] Processes read(const std::string& file_root) const {
        return read_processes({8, 9}, root_, file_root);
    }
    static void expect_www(const Processes& result, std::optional<std::uint32_t> max_children) {
        ASSERT_EQ(result.pools.size(), 1U);
        EXPECT_EQ(result.pools[0].name, "www");
        EXPECT_EQ(result.pools[0].master_pid, 100);
        EXPECT_EQ(result.pools[0].workers, 3);
        EXPECT_EQ(result.pools[0].max_children, max_children);
    }
};

TEST_F(PoolTree, CountsAllWorkersOfAMaster) {
    pool("/etc/php/fpm.conf");
    const auto result = read(root_ + "/files");
    expect_www(result, 50);
    EXPECT_TRUE(result.gaps.empty());
    EXPECT_EQ(result.by_pid.size(), 2U);
    EXPECT_EQ(result.by_pid.at(101).group, "php-fpm: pool www");
    EXPECT_EQ(result.by_pid.at(101).group_kind, GroupKind::php_fpm_pool);
}

TEST_F(PoolTree, ARelativeConfigurationIsTheMastersOwn) {
    pool("fpm.conf");
    const auto result = read(root_ + "/files");
    expect_www(result, 50);
    EXPECT_TRUE(result.gaps.empty());
}

TEST_F(PoolTree, AMasterInAnotherMountNamespaceHasItsOwnFiles) {
    pool("/etc/php/fpm.conf");
    link("self/ns/mnt", "mnt:[1]");
    link("100/ns/mnt", "mnt:[2]");
    link("100/root", root_ + "/files");
    expect_www(read(""), 50);
}

TEST_F(PoolTree, AWorkersNamespaceTellsTheMasters) {
    pool("/etc/php/fpm.conf");
    link("self/ns/mnt", "mnt:[1]");
    link("101/ns/mnt", "mnt:[2]");
    link("102/ns/mnt", "mnt:[2]");
    link("100/root", root_ + "/files");
    expect_www(read(""), 50);
}

TEST_F(PoolTree, LimitsThatCannotBeHadAreGaps) {
    const std::string effect = "how many workers an FPM pool may have is not known";
    pool("/etc/php/none.conf");
    const auto missing = read(root_ + "/files");
    expect_www(missing, std::nullopt);
    EXPECT_EQ(missing.gaps, (std::vector<Gap>{{"proc", "/etc/php/none.conf", "ENOENT", effect}}));

    write("files/etc/php/none.conf", "[other]\npm.max_children = 1\n");
    const auto silent = read(root_ + "/files");
    expect_www(silent, std::nullopt);
    EXPECT_EQ(silent.gaps, (std::vector<Gap>{{"proc", "/etc/php/none.conf",
                                              "no pm.max_children for pool www", effect}}));
}

TEST_F(PoolTree, WorkersThatOutlivedTheirMaster) {
    pool("/etc/php/fpm.conf");
    fs::remove_all(root_ + "/100");
    const auto result = read(root_ + "/files");
    expect_www(result, std::nullopt);
    EXPECT_TRUE(result.gaps.empty());
}

// The real /proc: this process and a socket of its own, which a second descriptor shares.
TEST(Proc, ThisProcess) {
    const int first = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int second = ::dup(first);
    ASSERT_GE(second, 0);
    struct stat status {};
    ASSERT_EQ(::fstat(first, &status), 0);
    const auto inode = static_cast<std::uint32_t>(status.st_ino);
    const auto result = read_processes({inode});
    const auto pid = static_cast<std::int32_t>(::getpid());
    EXPECT_EQ(result.owners.at(inode), (std::vector<Owner>{{pid, first}, {pid, second}}));
    const Process& process = result.by_pid.at(pid);
    EXPECT_EQ(process.parent, ::getppid());
    EXPECT_EQ(process.uid, ::geteuid());
    EXPECT_GT(process.netns, 0U);
    EXPECT_GT(process.start_time, 1'600'000'000);
    ::close(first);
    ::close(second);
}

}  // namespace
}  // namespace connleak::probes

#include "probes/proc/decode.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <unordered_set>

#include "probes/proc/fd_walk.h"

namespace connleak::probes {
namespace {

using namespace std::string_literals;

TEST(ProcDecode, Stat) {
    const std::string_view rest =
        " S 1 312 312 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 4711 12345678 200 "
        "18446744073709551615\n";
    for (const char* comm : {"redis-server", "a b", ") (", "x) S 9 9 (y", "\n\x1b[31m\xff", ""}) {
        const auto stat = parse_stat("312 (" + std::string(comm) + ")" + std::string(rest));
        ASSERT_TRUE(stat) << comm;
        EXPECT_EQ(stat->state, 'S');
        EXPECT_EQ(stat->parent, 1);
        EXPECT_EQ(stat->start_ticks, 4711U);
        EXPECT_FALSE(stat->kernel_thread);
    }
    const auto thread =
        parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0 0");
    ASSERT_TRUE(thread);
    EXPECT_TRUE(thread->kernel_thread);
    for (const char* text :
         {"", ")", "1 (a) S", "1 (a) S x 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 3"}) {
        EXPECT_FALSE(parse_stat(text)) << text;
    }
}

TEST(ProcDecode, SmallTexts) {
    EXPECT_EQ(parse_boot_time("cpu  1 2 3\nintr 5\nbtime 1700000000\nprocesses 9\n"), 1700000000);
    EXPECT_EQ(parse_boot_time("cpu 1\n"), std::nullopt);
    const auto status = parse_status(
        "Name:\tUid:\t9\nUid:\t1000\t33\t33\t33\nGid:\t33\t33\t33\t33\nNSpid:\t312\t17\t5\n");
    EXPECT_EQ(status.uid, 33U);
    EXPECT_EQ(status.namespace_pid, 5);
    EXPECT_EQ(parse_status("").namespace_pid, 0);
    EXPECT_EQ(
        parse_fd_limit(
            "Limit   Soft Limit  Hard Limit  Units\n"
            "Max open files            1024                 524288               files     \n"),
        1024U);
    EXPECT_EQ(parse_fd_limit(
                  "Max open files            unlimited            unlimited            files\n"),
              std::nullopt);
    EXPECT_EQ(parse_namespace_link("net:[4026531840]"), 4026531840U);
    EXPECT_EQ(parse_namespace_link("net:[x]"), 0U);
    EXPECT_EQ(parse_namespace_link(""), 0U);
    EXPECT_EQ(socket_inode("socket:[4294967295]"), 4294967295U);
    for (const char* link :
         {"socket:[4294967296]", "socket:[12", "socket:[]", "socket:[1] ", "pipe:[1]", ""}) {
        EXPECT_EQ(socket_inode(link), std::nullopt) << link;
    }
}

TEST(ProcDecode, Commands) {
    EXPECT_EQ(command_of("/usr/bin/worker\0--queue\0a b\0"s), "/usr/bin/worker --queue a b");
    EXPECT_EQ(command_of("php-fpm: pool www\0\0\0   \0"s), "php-fpm: pool www");
    EXPECT_EQ(command_of("\0\0"s), "");
    EXPECT_EQ(title_of("php-fpm: pool www   \0rest"s), "php-fpm: pool www");
}

TEST(ProcDecode, Groups) {
    const auto name = [](std::string_view title, std::string_view comm) {
        return group_of(title, comm, {}).name;
    };
    EXPECT_EQ(name("redis-server *:6379", "redis-server"), "redis-server");
    EXPECT_EQ(name("/usr/bin/redis-server 127.0.0.1:6379", "redis-server"), "redis-server");
    EXPECT_EQ(name("redis-server unixsocket:/run/r.sock", "redis-server"), "redis-server");
    EXPECT_EQ(name("nginx: master process /usr/sbin/nginx -g daemon on;", "nginx"), "nginx");
    EXPECT_EQ(name("/usr/lib/jvm/bin/java", "java"), "java");
    EXPECT_EQ(name("/opt/my app/my server", "my server"), "my server");
    EXPECT_EQ(name("/usr/bin/a-name-longer-than-comm", "a-name-longer-t"),
              "a-name-longer-than-comm");
    EXPECT_EQ(name("python3", "gunicorn"), "python3");
    EXPECT_EQ(name("-bash", "bash"), "bash");
    EXPECT_EQ(name("", "kworker"), "kworker");
    EXPECT_EQ(name("/", "odd"), "odd");
    EXPECT_EQ(name("evil\n\x1b[31m\xff", "x"), "evil\n\x1b[31m\xff");

    const std::string id(64, 'a');
    const auto group = [](std::string_view title, CgroupPath place) {
        return group_of(title, "comm", place);
    };
    EXPECT_EQ(group("php-fpm: pool www", {"php8.2-fpm.service", id}),
              (Group{"php-fpm: pool www", GroupKind::php_fpm_pool}));
    EXPECT_EQ(group("worker", {"worker.service", id}), (Group{"worker.service", GroupKind::unit}));
    EXPECT_EQ(group("worker", {"docker-" + id + ".scope", id}),
              (Group{"aaaaaaaaaaaa", GroupKind::container}));
    EXPECT_EQ(group("worker", {"", "web-with-a-long-name"}),
              (Group{"web-with-a-long-name", GroupKind::container}));
    EXPECT_EQ(group("worker", {"session-3.scope", ""}), (Group{"worker", GroupKind::executable}));
    EXPECT_EQ(group("worker", {"user@1000.service", ""}), (Group{"worker", GroupKind::executable}));
}

TEST(ProcDecode, HidingOption) {
    const std::string user =
        "Gid:\t100\t100\t100\t100\nGroups:\t4 24 \nCapEff:\t0000000000000000\n";
    const std::string root = "Gid:\t0\t0\t0\t0\nGroups:\t0 \nCapEff:\t000001ffffffffff\n";
    const auto mount = [](const std::string& options) {
        return "22 27 0:21 / / rw - ext4 /dev/sda rw\n23 22 0:4 / /proc rw,relatime shared:5 - "
               "proc proc rw," +
               options + "\n";
    };
    EXPECT_EQ(hiding_option(mount("hidepid=invisible"), user, "/proc"), "invisible");
    EXPECT_EQ(hiding_option(mount("hidepid=2"), user, "/proc"), "2");
    EXPECT_EQ(hiding_option(mount("gid=24,hidepid=2"), user, "/proc"), std::nullopt);
    EXPECT_EQ(hiding_option(mount("gid=24,hidepid=ptraceable"), user, "/proc"), "ptraceable");
    EXPECT_EQ(hiding_option(mount("hidepid=invisible"), root, "/proc"), std::nullopt);
    EXPECT_EQ(hiding_option(mount("hidepid=invisible"), user, "/elsewhere"), std::nullopt);
    EXPECT_EQ(hiding_option(mount("hidepid=noaccess"), user, "/proc"), std::nullopt);
    EXPECT_EQ(hiding_option(mount("hidepid=2") + mount("x"), user, "/proc"), std::nullopt);
    EXPECT_EQ(hiding_option("", "", "/proc"), std::nullopt);
}

TEST(InodeSet, Contains) {
    std::unordered_set<std::uint32_t> inodes;
    for (std::uint32_t i = 1; i < 5000; ++i) inodes.insert(i * 3);
    const InodeSet set(inodes);
    for (std::uint32_t i = 0; i < 20000; ++i) EXPECT_EQ(set.contains(i), inodes.contains(i)) << i;
    EXPECT_FALSE(InodeSet({0}).contains(0));
}

}  // namespace
}  // namespace connleak::probes

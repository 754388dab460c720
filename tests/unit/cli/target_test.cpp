// TARGETs, as the contract writes them, and what is said of those that are none: one line, and
// never a password in it.
#include "cli/options/target.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "diagnosis/model/server_family.h"

namespace connleak::cli {
namespace {

// "redis [tls] user@host:port", "mysql user@host:port", "tcp host:port", "redis unix:/path"; or the
// error.
std::string parsed(std::string_view text) {
    const auto target = parse_target(text);
    if (!target) return target.error();
    EXPECT_EQ(target->text, text);
    std::string shown = std::string(to_string(target->kind)) + ' ';
    if (!target->path.empty()) return shown + "unix:" + target->path;
    if (target->tls) shown += "tls ";
    if (!target->user.empty()) shown += target->user + '@';
    return shown + target->host + ':' + std::to_string(target->port);
}

TEST(Target, EveryForm) {
    EXPECT_EQ(parsed("10.0.0.5:6379"), "redis 10.0.0.5:6379");
    EXPECT_EQ(parsed("db1.example.org:6380"), "redis db1.example.org:6380");
    EXPECT_EQ(parsed(":6379"), "redis :6379");
    EXPECT_EQ(parsed("*:6379"), "redis :6379");
    EXPECT_EQ(parsed("0.0.0.0:6379"), "redis :6379");
    EXPECT_EQ(parsed("[2001:db8::1]:6379"), "redis 2001:db8::1:6379");
    EXPECT_EQ(parsed("[::]:6379"), "redis :6379") << "any address, as a person writes it";
    EXPECT_EQ(parsed("redis://10.0.0.5:6379"), "redis 10.0.0.5:6379");
    EXPECT_EQ(parsed("redis://10.0.0.5"), "redis 10.0.0.5:6379");
    EXPECT_EQ(parsed("redis://[2001:db8::1]"), "redis 2001:db8::1:6379");
    EXPECT_EQ(parsed("redis://:7000"), "redis :7000");
    EXPECT_EQ(parsed("redis://monitor@10.0.0.5:6379"), "redis monitor@10.0.0.5:6379");
    EXPECT_EQ(parsed("redis://monitor@[2001:db8::1]:6379"), "redis monitor@2001:db8::1:6379");
    EXPECT_EQ(parsed("redis://10.0.0.5:6379/0"), "redis 10.0.0.5:6379");
    EXPECT_EQ(parsed("redis://10.0.0.5:6379/"), "redis 10.0.0.5:6379");
    EXPECT_EQ(parsed("rediss://monitor@h"), "redis tls monitor@h:6379");
    EXPECT_EQ(parsed("rediss://:7000"), "redis tls :7000");
    EXPECT_EQ(parsed("rediss://[2001:db8::1]:1/0"), "redis tls 2001:db8::1:1");
    EXPECT_EQ(parsed("unix:/run/redis.sock"), "redis unix:/run/redis.sock");
    EXPECT_EQ(parsed("unix:///run/redis.sock"), "redis unix:/run/redis.sock");
    EXPECT_EQ(parsed("unix:/tmp/a b@c:1"), "redis unix:/tmp/a b@c:1");
    EXPECT_EQ(parsed("tcp://10.0.0.5:9092"), "tcp 10.0.0.5:9092");
    EXPECT_EQ(parsed("tcp://:9092"), "tcp :9092");
    EXPECT_EQ(parsed("tcp://[2001:db8::1]:9092"), "tcp 2001:db8::1:9092");
    EXPECT_EQ(parsed(":1"), "redis :1");
    EXPECT_EQ(parsed(":65535"), "redis :65535");
}

TEST(Target, Mysql) {
    EXPECT_EQ(parsed("mysql://10.0.0.5"), "mysql 10.0.0.5:3306");
    EXPECT_EQ(parsed("mysql://10.0.0.5:3307"), "mysql 10.0.0.5:3307");
    EXPECT_EQ(parsed("mysql://db1.example.org"), "mysql db1.example.org:3306");
    EXPECT_EQ(parsed("mysql://monitor@10.0.0.5"), "mysql monitor@10.0.0.5:3306");
    EXPECT_EQ(parsed("mysql://monitor@10.0.0.5:3307"), "mysql monitor@10.0.0.5:3307");
    EXPECT_EQ(parsed("mysql://[2001:db8::1]"), "mysql 2001:db8::1:3306");
    EXPECT_EQ(parsed("mysql://monitor@[2001:db8::1]:3307"), "mysql monitor@2001:db8::1:3307");
    EXPECT_EQ(parsed("mysql://:3306"), "mysql :3306");
    EXPECT_EQ(parsed("mysql://monitor@:3307"), "mysql monitor@:3307");
    EXPECT_EQ(parsed("mysql://[::]:3307"), "mysql :3307");
    EXPECT_EQ(parsed("mysql://10.0.0.5/shop"), "mysql 10.0.0.5:3306")
        << "a database, as its other clients write it";
    EXPECT_EQ(parsed("mysql://10.0.0.5:3306/"), "mysql 10.0.0.5:3306");
    EXPECT_EQ(parsed("mysql://10.0.0.5:6379"), "mysql 10.0.0.5:6379") << "what the scheme says";
}

TEST(Target, TheUsualPortOfMysqlMeansIt) {
    EXPECT_EQ(parsed("10.0.0.5:3306"), "mysql 10.0.0.5:3306");
    EXPECT_EQ(parsed(":3306"), "mysql :3306");
    EXPECT_EQ(parsed("*:3306"), "mysql :3306");
    EXPECT_EQ(parsed("[2001:db8::1]:3306"), "mysql 2001:db8::1:3306");
    EXPECT_EQ(parsed(":3307"), "redis :3307");
    EXPECT_EQ(parsed("redis://10.0.0.5:3306"), "redis 10.0.0.5:3306") << "what the scheme says";
    EXPECT_EQ(parsed("tcp://10.0.0.5:3306"), "tcp 10.0.0.5:3306");
}

constexpr std::string_view forms =
    "write host:port, :port, redis[s]://[user@]host:port, mysql://[user@]host[:port], unix:/path "
    "or tcp://host:port";

TEST(Target, WrongOnes) {
    const std::string all(forms);
    EXPECT_EQ(parsed(""), "TARGET '': " + all);
    EXPECT_EQ(parsed("db1"), "TARGET 'db1': " + all);
    EXPECT_EQ(parsed("10.0.0.5"), "TARGET '10.0.0.5': " + all);
    EXPECT_EQ(parsed("10.0.0.5:"), "TARGET '10.0.0.5:': a port is missing after ':'");
    EXPECT_EQ(parsed(":"), "TARGET ':': a port is missing after ':'");
    for (const char* port : {"0", "65536", "99999", "http", "+1", "-1", "6379x", " 6379"})
        EXPECT_EQ(parsed(std::string("h:") + port),
                  std::string("TARGET 'h:") + port + "': a port is a number from 1 to 65535");
    EXPECT_EQ(parsed("2001:db8::1:6379"),
              "TARGET '2001:db8::1:6379': an IPv6 address goes in brackets: [2001:db8::1]:6379");
    EXPECT_EQ(parsed("[2001:db8::1:6379"),
              "TARGET '[2001:db8::1:6379': an IPv6 address goes in brackets: [2001:db8::1]:6379");
    EXPECT_EQ(parsed("[2001:db8::1]x"),
              "TARGET '[2001:db8::1]x': an IPv6 address goes in brackets: [2001:db8::1]:6379");
    EXPECT_EQ(parsed("[]:6379"),
              "TARGET '[]:6379': an IPv6 address goes in brackets: [2001:db8::1]:6379");
    EXPECT_EQ(parsed("[10.0.0.1]:6379"),
              "TARGET '[10.0.0.1]:6379': an IPv6 address goes in brackets: [2001:db8::1]:6379");
    EXPECT_EQ(parsed("http://h:80"), "TARGET 'http://h:80': unknown scheme; " + all);
    EXPECT_EQ(parsed("tcp://h"), "TARGET 'tcp://h': a port is missing");
    EXPECT_EQ(parsed("tcp://"), "TARGET 'tcp://': a port is missing");
    EXPECT_EQ(parsed("tcp://h:1/2"), "TARGET 'tcp://h:1/2': a port is a number from 1 to 65535");
    EXPECT_EQ(parsed("redis://"), "TARGET 'redis://': a port is missing");
    EXPECT_EQ(parsed("redis://h:1/x"),
              "TARGET 'redis://h:1/x': after the port comes nothing, or a database's number");
    EXPECT_EQ(parsed("unix:redis.sock"),
              "TARGET 'unix:redis.sock': the path of a Unix socket begins with /, an "
              "abstract name with @: unix:/run/redis/redis.sock");
    EXPECT_EQ(parsed("unix:"),
              "TARGET 'unix:': the path of a Unix socket begins with /, an abstract name with @: "
              "unix:/run/redis/redis.sock");
    EXPECT_EQ(parsed("unix:@"), "TARGET 'unix:@': after unix:@ comes an abstract name");
    EXPECT_EQ(
        parsed("unix:@" + std::string(108, 'x')),
        "TARGET 'unix:@" + std::string(108, 'x') + "': an abstract name has at most 107 bytes");
    EXPECT_EQ(parsed("unix:@" + std::string(107, 'x')), "redis unix:@" + std::string(107, 'x'));
    EXPECT_EQ(parsed("monitor@h:6379"),
              "TARGET 'monitor@h:6379': a user goes with redis://user@host:port, mysql://user@host "
              "or --user");
    EXPECT_EQ(parsed("tcp://monitor@h:1"),
              "TARGET 'tcp://monitor@h:1': a user goes with redis://user@host:port, "
              "mysql://user@host or --user");
    EXPECT_EQ(parsed("mysql://"), "TARGET 'mysql://': a port is missing");
    EXPECT_EQ(parsed("mysql://monitor@"), "TARGET 'mysql://monitor@': a port is missing");
    EXPECT_EQ(parsed("mysql://h:"), "TARGET 'mysql://h:': a port is missing after ':'");
    EXPECT_EQ(parsed("mysql://h:x"), "TARGET 'mysql://h:x': a port is a number from 1 to 65535");
    EXPECT_EQ(parsed("mysql://2001:db8::1"),
              "TARGET 'mysql://2001:db8::1': an IPv6 address goes in brackets: "
              "[2001:db8::1]:3306");
    EXPECT_EQ(parsed("mysqls://h"), "TARGET 'mysqls://h': unknown scheme; " + all);
    EXPECT_EQ(parsed("mariadb://h"), "TARGET 'mariadb://h': unknown scheme; " + all);
    const std::string path = "unix:/" + std::string(107, 'x');
    EXPECT_EQ(parsed(path),
              "TARGET '" + path + "': the path of a Unix socket has at most 107 bytes");
    EXPECT_EQ(parsed(path.substr(0, path.size() - 1)), "redis " + path.substr(0, path.size() - 1));
}

TEST(Target, NeverEchoesAPassword) {
    for (const char* text : {"redis://user:s3cret@h:6379",   "redis://:s3cret@h:6379",
                             "rediss://user:s3cret@h:6379",  "user:s3cret@h:6379",
                             "tcp://user:s3cret@h:1",        "http://user:s3cret@h:1",
                             "redis://user:s3@cret@h:6379",  "redis://user:s3cret@",
                             "redis://user:s3cret@h:x",      "redis://user:s3cret@[::1",
                             "redis://user:s3cret@h:6379/x", "redis://user:s/3cret@h:1",
                             "redis://user%3As3cret@h:http", "mysql://user:s3cret@h",
                             "mysql://:s3cret@h:3306",       "mysql://user:s3cret@h:x",
                             "mysql://user:s3@cret@[::1",    "mysql://user%3as3cret@h",
                             "mysql://user:s/3cret@h/db",    "user:s3cret@h:3306"}) {
        const std::string said = parsed(text);
        EXPECT_EQ(said.find("3cret"), std::string::npos) << said;
        EXPECT_TRUE(said.starts_with("TARGET")) << said;
        EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    }
    const std::string first =
        "TARGET: a password on the command line is visible to everybody; give it in ";
    const std::string last = ", by --pass-file FILE or --askpass";
    EXPECT_EQ(parsed("redis://user:s3cret@h"), first + "REDISCLI_AUTH" + last);
    EXPECT_EQ(parsed("mysql://user:s3cret@h"), first + "~/.my.cnf" + last);
}

TEST(Target, HostileTextIsShownAsOneHarmlessLine) {
    for (const char* text : {"\x1b[31m", "a\nb", "h\xff:1x", "unix:\x07"}) {
        const std::string said = parsed(text);
        EXPECT_TRUE(std::ranges::all_of(said, [](char c) {
            return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
        })) << said;
    }
}

}  // namespace
}  // namespace connleak::cli

#include "probes/proc/php_fpm.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace connleak::probes {
namespace {

namespace fs = std::filesystem;
using Kind = FpmStatement::Kind;
using Limits = std::map<std::string, std::uint32_t>;

TEST(FpmTitle, Pools) {
    EXPECT_EQ(fpm_pool_of_title("php-fpm: pool www"), "www");
    EXPECT_EQ(fpm_pool_of_title("php-fpm: pool shop one"), "shop one");
    EXPECT_EQ(fpm_pool_of_title("php-fpm: pool a\n\x1b[31m\xff"), "a\n\x1b[31m\xff");
    EXPECT_EQ(fpm_pool_of_title("php-fpm: pool "), std::nullopt);
    EXPECT_EQ(fpm_pool_of_title("php-fpm: master process (/etc/php-fpm.conf)"), std::nullopt);
    EXPECT_EQ(fpm_pool_of_title("x php-fpm: pool www"), std::nullopt);
    EXPECT_EQ(fpm_pool_of_title(""), std::nullopt);
}

TEST(FpmTitle, Masters) {
    EXPECT_EQ(fpm_configuration_of_title("php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)"),
              "/etc/php/8.2/fpm/php-fpm.conf");
    EXPECT_EQ(fpm_configuration_of_title("php-fpm: master process (a) (b).conf)"), "a) (b).conf");
    EXPECT_EQ(fpm_configuration_of_title("php-fpm: master process (/etc/php-f"), std::nullopt);
    EXPECT_EQ(fpm_configuration_of_title("php-fpm: master process ()"), std::nullopt);
    EXPECT_EQ(fpm_configuration_of_title("php-fpm: pool www"), std::nullopt);
}

TEST(FpmFile, Dialect) {
    const std::vector<FpmStatement> expected = {
        {Kind::section, "global", {}},  {Kind::include, "/etc/php/*.conf", {}},
        {Kind::section, "www", {}},     {Kind::max_children, "5", 5},
        {Kind::section, "quoted", {}},  {Kind::max_children, "12", 12},
        {Kind::max_children, "13", 13}, {Kind::max_children, "${CHILDREN}", {}},
        {Kind::max_children, "-1", {}}, {Kind::max_children, "99999999999", {}},
        {Kind::max_children, "", {}},   {Kind::include, "a;b.conf", {}},
    };
    EXPECT_EQ(parse_fpm_file("; comment\n"
                             "# comment\n"
                             "[global]\n"
                             "pid = /run/$pool.pid\n"
                             "include=/etc/php/*.conf ; comment\r\n"
                             "  [ www ]  ; comment = [x]\n"
                             ";pm.max_children = 50\n"
                             "pm.max_children = 5 ; comment\r\n"
                             "pm.max_spare_servers = 3\n"
                             "[\"quoted\"]\n"
                             "pm.max_children=\"12\"\n"
                             "\tpm.max_children\t=\t'13' ; comment\n"
                             "pm.max_children = ${CHILDREN}\n"
                             "pm.max_children = -1\n"
                             "pm.max_children = 99999999999\n"
                             "pm.max_children =\n"
                             "[broken\n"
                             "no value\n"
                             "include = \"a;b.conf\""),
              expected);
}

class FpmTree : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "connleak-fpm-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(const std::string& path, const std::string& text) const {
        const fs::path file = root_ + path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    [[nodiscard]] FpmConfiguration read(const std::string& path,
                                        const std::string& prefix = "") const {
        return read_fpm_configuration(path, root_, prefix);
    }

    std::string root_;
};

TEST_F(FpmTree, DebianLayout) {
    write("/etc/php/8.2/fpm/php-fpm.conf", "[global]\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n");
    write("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\npm.max_children = 5\n");
    write("/etc/php/8.2/fpm/pool.d/shop.conf", "[shop]\npm.max_children = 50\n");
    write("/etc/php/8.2/fpm/pool.d/old.conf.bak", "[www]\npm.max_children = 7\n");
    write("/etc/php/8.2/fpm/pool.d/.hidden.conf", "[www]\npm.max_children = 8\n");
    const auto result = read("/etc/php/8.2/fpm/php-fpm.conf", "/usr");
    EXPECT_EQ(result.max_children, (Limits{{"shop", 50}, {"www", 5}}));
    EXPECT_TRUE(result.unread.empty());
}

// The official image: include=etc/php-fpm.d/*.conf, relative to the prefix /usr/local.
TEST_F(FpmTree, RelativeIncludes) {
    write("/usr/local/etc/php-fpm.conf", "include=etc/php-fpm.d/*.conf\n");
    write("/usr/local/etc/php-fpm.d/www.conf", "[www]\npm.max_children = 5\n");
    EXPECT_EQ(read("/usr/local/etc/php-fpm.conf", "/usr/local").max_children, (Limits{{"www", 5}}));
    EXPECT_EQ(read("/usr/local/etc/php-fpm.conf").max_children, (Limits{{"www", 5}}));

    write("/srv/fpm.conf", "include=pools/a.conf\n");
    write("/srv/pools/a.conf", "[a]\npm.max_children = 3\n");
    EXPECT_EQ(read("/srv/fpm.conf").max_children, (Limits{{"a", 3}}));
    EXPECT_EQ(read("/srv/fpm.conf", "/usr").max_children, (Limits{{"a", 3}}));
    write("/opt/php/pools/a.conf", "[a]\npm.max_children = 4\n");
    EXPECT_EQ(read("/srv/fpm.conf", "/opt/php").max_children, (Limits{{"a", 4}}));
}

TEST_F(FpmTree, TheSectionGoesOnThroughIncludes) {
    write("/fpm.conf",
          "[global]\npm.max_children = 1\n[a]\ninclude=/common.inc\n[b]\ninclude=/common.inc\n"
          "[c]\ninclude=/d.inc\npm.max_children = 4\n");
    write("/common.inc", "pm.max_children = 20\n");
    write("/d.inc", "[d]\n");
    EXPECT_EQ(read("/fpm.conf").max_children, (Limits{{"a", 20}, {"b", 20}, {"d", 4}}));
}

TEST_F(FpmTree, WhatIsNoNumberIsAbsent) {
    write("/fpm.conf", "[a]\npm.max_children = 5\npm.max_children = ${N}\n");
    EXPECT_EQ(read("/fpm.conf").max_children, Limits{});
}

TEST_F(FpmTree, LinksStayBelowTheRoot) {
    write("/etc/fpm.conf", "include=/etc/pools/*.conf\n");
    write("/data/www.conf", "[www]\npm.max_children = 6\n");
    fs::create_directories(root_ + "/etc/pools");
    fs::create_symlink("/data/www.conf", root_ + "/etc/pools/www.conf");
    fs::create_symlink("/../../../../../../data/www.conf", root_ + "/etc/pools/up.conf");
    EXPECT_EQ(read("/etc/fpm.conf").max_children, (Limits{{"www", 6}}));
}

TEST_F(FpmTree, CyclesEnd) {
    write("/a.conf", "[a]\npm.max_children = 1\ninclude=/b.conf\ninclude=/b.conf\n");
    write("/b.conf", "[b]\npm.max_children = 2\ninclude=/a.conf\n");
    const auto result = read("/a.conf");
    EXPECT_EQ(result.max_children, (Limits{{"a", 1}, {"b", 2}}));
    EXPECT_TRUE(result.unread.empty());
}

TEST_F(FpmTree, DepthAndNumberAreBounded) {
    for (int i = 0; i < 12; ++i) {
        const std::string n = std::to_string(i);
        write("/" + n,
              "[" + n + "]\npm.max_children = 1\ninclude=/" + std::to_string(i + 1) + "\n");
    }
    const auto deep = read("/0");
    EXPECT_EQ(deep.max_children.size(), 8U);
    EXPECT_EQ(deep.unread, (std::vector<FpmUnread>{{"/8", "included too deep"}}));

    for (int i = 0; i < 1100; ++i)
        write("/many/" + std::to_string(i), "[p]\npm.max_children = 1\n");
    write("/many.conf", "include=/many/*\n");
    const auto many = read("/many.conf");
    EXPECT_EQ(many.max_children, (Limits{{"p", 1}}));
    EXPECT_EQ(many.unread, (std::vector<FpmUnread>{{"/many", "too many files"}}));
}

TEST_F(FpmTree, OnlyRegularFilesOfABearableSize) {
    write("/fpm.conf", "include=/pools/*\n");
    write("/pools/big", std::string((1 << 20) + 1, '\n') + "[big]\npm.max_children = 1\n");
    write("/pools/good", "[good]\npm.max_children = 1\n");
    fs::create_directories(root_ + "/pools/folder");
    ASSERT_EQ(::mkfifo((root_ + "/pools/fifo").c_str(), 0600), 0);
    const auto result = read("/fpm.conf");
    EXPECT_EQ(result.max_children, (Limits{{"good", 1}}));
    EXPECT_EQ(result.unread, (std::vector<FpmUnread>{{"/pools/big", "EFBIG"},
                                                     {"/pools/fifo", "not a regular file"}}));
}

TEST_F(FpmTree, Unreadable) {
    EXPECT_EQ(read("/none.conf").unread, (std::vector<FpmUnread>{{"/none.conf", "ENOENT"}}));
    fs::create_directories(root_ + "/etc");
    EXPECT_EQ(read("/etc").unread, (std::vector<FpmUnread>{{"/etc", "not a regular file"}}));
    EXPECT_EQ(read_fpm_configuration("/fpm.conf", root_ + "/gone").unread,
              (std::vector<FpmUnread>{{"/fpm.conf", "ENOENT"}}));
    write("/loop.conf", "[a]\npm.max_children = 1\ninclude=/x.conf\ninclude=/nothing/*.conf\n");
    fs::create_symlink("x.conf", root_ + "/x.conf");
    const auto result = read("/loop.conf");
    EXPECT_EQ(result.max_children, (Limits{{"a", 1}}));
}

}  // namespace
}  // namespace connleak::probes

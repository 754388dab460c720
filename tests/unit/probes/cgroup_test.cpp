#include "probes/proc/cgroup.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace connleak::probes {
namespace {

// tests/unit/data/cgroups.txt: after a line "# unit|container" the content of a /proc/PID/cgroup
// with that answer.
TEST(Cgroup, RecordedFiles) {
    std::ifstream file(TEST_DATA "/unit/data/cgroups.txt");
    ASSERT_TRUE(file);
    std::string expected;
    std::string text;
    int cases = 0;
    const auto check = [&] {
        if (expected.empty()) return;
        const CgroupPath place = parse_cgroup(text);
        EXPECT_EQ(place.unit + "|" + place.container, expected) << text;
        ++cases;
    };
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("# ")) {
            check();
            expected = line.substr(2);
            text.clear();
        } else {
            text += line + "\n";
        }
    }
    check();
    EXPECT_EQ(cases, 58);
}

TEST(Cgroup, Garbage) {
    for (const char* text :
         {"", "\n", ":", "::", "0:", "0::", "0::/", "0:::::/", "x", "0::\\x", "0::/_"}) {
        EXPECT_EQ(parse_cgroup(text).unit, "") << text;
        EXPECT_EQ(parse_cgroup(text).container, "") << text;
    }
}

TEST(Cgroup, BytesStayRaw) {
    const CgroupPath place = parse_cgroup("0::/system.slice/a\x1b[31m\xff\\x0a.service");
    EXPECT_EQ(place.unit, "a\x1b[31m\xff\\x0a.service");
    EXPECT_EQ(parse_cgroup("0::/lxc.payload.a\x1b[31m\xff").container, "a\x1b[31m\xff");
    EXPECT_EQ(parse_cgroup("0::/machine.slice/machine-a\x1b\\x0a\\x7F\\xff\\x.scope").container,
              "a\x1b\\x0a\\x7F\xff\\x");
}

TEST(Cgroup, NamesThatEndTooEarly) {
    for (const char* text : {"0::/machine-.scope", "0::/machine-", "0::/machine.scope",
                             "0::/systemd-nspawn@.service/payload", "0::/lxc.payload.", "0::/lxc",
                             "0::/lxc.payload", "0::/machine-qemu-.scope", "0::/docker-.scope"})
        EXPECT_EQ(parse_cgroup(text).container, "") << text;
}

}  // namespace
}  // namespace connleak::probes

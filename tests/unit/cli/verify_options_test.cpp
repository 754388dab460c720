#include "cli/report/options.h"

#include <gtest/gtest.h>

namespace connleak::cli {
namespace {

Stop stop(const Arguments& arguments) {
    const auto made = parse_verify_options(arguments);
    EXPECT_FALSE(made);
    return made ? Stop{} : made.error();
}

TEST(VerifyOptions, Defaults) {
    const auto made = parse_verify_options({});
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->all);
    EXPECT_EQ(made->proof.rate, 2000);
    EXPECT_EQ(made->proof.wait_ms, 15'000);
    EXPECT_EQ(made->format, Format::table);
}

TEST(VerifyOptions, Values) {
    const auto made = parse_verify_options(
        {"tcp://:9092", "--all", "--rate", "50", "--wait", "1m", "--json", "--connections"});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->targets.size(), 1);
    EXPECT_TRUE(made->all);
    EXPECT_TRUE(made->connections);
    EXPECT_EQ(made->proof.rate, 50);
    EXPECT_EQ(made->proof.wait_ms, 60'000);
    EXPECT_EQ(made->format, Format::json);
}

TEST(VerifyOptions, WhatIsWrong) {
    for (const Arguments& arguments : std::vector<Arguments>{{"--rate", "0"},
                                                             {"--rate", "many"},
                                                             {"--wait", "3s"},
                                                             {"--wait", "2h"},
                                                             {"--wait", "soon"},
                                                             {"--exit-code"}}) {
        const Stop why = stop(arguments);
        EXPECT_EQ(why.status, 2);
        EXPECT_NE(why.text.find(arguments.front()), std::string::npos) << why.text;
        EXPECT_EQ(why.text.find('\n'), std::string::npos) << why.text;
    }
}

TEST(VerifyOptions, Help) {
    const Stop help = stop({"--help"});
    EXPECT_EQ(help.status, 0);
    for (const char* each : {"--all", "--rate", "--wait", "CAP_SYS_PTRACE", "CAP_NET_RAW"})
        EXPECT_NE(help.text.find(each), std::string::npos) << each;
}

}  // namespace
}  // namespace connleak::cli

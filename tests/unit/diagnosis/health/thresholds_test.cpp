// Ranges of the Monitoring Plugins' development guidelines.
#include "diagnosis/health/thresholds.h"

#include <gtest/gtest.h>

#include <random>

namespace connleak {
namespace {

Range range(std::string_view text) {
    const auto made = parse_range(text);
    if (!made) ADD_FAILURE() << text << ": " << made.error();
    return made.value_or(Range{});
}

// Which of -20, -10, -1, 0, 1, 9.9, 10, 10.1, 20, 30 alert: "x" or ".".
std::string alerts(std::string_view text) {
    const Range made = range(text);
    std::string told;
    for (const double value : {-20.0, -10.0, -1.0, 0.0, 1.0, 9.9, 10.0, 10.1, 20.0, 30.0})
        told += made.alerts(value) ? 'x' : '.';
    return told;
}

TEST(Range, TheGuidelinesTable) {
    EXPECT_EQ(alerts("10"), "xxx....xxx");
    EXPECT_EQ(alerts("10:"), "xxxxxx....");
    EXPECT_EQ(alerts("~:10"), ".......xxx");
    EXPECT_EQ(alerts("10:20"), "xxxxxx...x");
    EXPECT_EQ(alerts("@10:20"), "......xxx.");
}

TEST(Range, EndsThatAreLeftOut) {
    EXPECT_EQ(alerts("0"), "xxx.xxxxxx");
    EXPECT_EQ(alerts(":10"), alerts("10"));
    EXPECT_EQ(alerts("@10"), "...xxxx...");
    EXPECT_EQ(alerts("@10:"), "......xxxx");
    EXPECT_EQ(alerts("@~:10"), "xxxxxxx...");
    EXPECT_EQ(alerts("~:"), "..........");
    EXPECT_EQ(alerts("@~:"), "xxxxxxxxxx");
    EXPECT_EQ(alerts("-10:-1"), "x..xxxxxxx");
    EXPECT_EQ(alerts("9.9:10.1"), "xxxxx...xx");
    EXPECT_EQ(alerts("10:10"), "xxxxxx.xxx");
}

TEST(Range, IsToldInItsShortestForm) {
    for (const auto& [text, told] : {std::pair{"0:10", "10"},
                                     {":10", "10"},
                                     {"10", "10"},
                                     {"10:", "10:"},
                                     {"0:", "0:"},
                                     {"~:10", "~:10"},
                                     {"~:", "~:"},
                                     {"@0:20", "@20"},
                                     {"@10:20", "@10:20"},
                                     {"-5:5", "-5:5"},
                                     {"-0:3.50", "3.5"},
                                     {"007", "7"}})
        EXPECT_EQ(range(text).text(), told) << text;
}

TEST(Range, WhatIsNone) {
    for (const std::string_view text : {"",
                                        "@",
                                        ":",
                                        "@:",
                                        "~",
                                        "@~",
                                        "abc",
                                        "10:abc",
                                        "abc:10",
                                        "20:10",
                                        "10:20:30",
                                        "10::20",
                                        "::",
                                        "1 0",
                                        " 10",
                                        "10 ",
                                        "+5",
                                        "--5",
                                        "-",
                                        ".",
                                        "-.",
                                        "1.2.3",
                                        "1e3",
                                        "0x10",
                                        "10%",
                                        "1,5",
                                        "inf",
                                        "nan",
                                        "-inf",
                                        "~10:20",
                                        "10:~",
                                        "10@20",
                                        "@@10",
                                        "10:20@",
                                        "=5",
                                        "10\n",
                                        "9999999999999999999",
                                        "-9999999999999999999:",
                                        "\xff",
                                        "10|20"}) {
        const auto made = parse_range(text);
        EXPECT_FALSE(made) << text;
        EXPECT_TRUE(made || !made.error().empty());
    }
    EXPECT_FALSE(parse_range(std::string(100'000, '1')));
    EXPECT_FALSE(parse_range(std::string_view("1\0", 2)));
}

TEST(Range, TextAndMeaningGoTogether) {
    std::mt19937 random(1);
    std::uniform_int_distribution<int> any(0, 11);
    constexpr std::string_view letters = "0123456.:~@-";
    for (int turn = 0; turn < 200'000; ++turn) {
        std::string text;
        for (int length = any(random); length > 0; --length)
            text += letters[static_cast<std::size_t>(any(random))];
        const auto made = parse_range(text);
        if (!made) continue;
        const auto again = parse_range(made->text());
        ASSERT_TRUE(again) << text << " as " << made->text();
        EXPECT_EQ(*again, *made) << text;
        const double inside = made->low.value_or(made->high.value_or(0));
        EXPECT_EQ(made->alerts(inside), made->inside) << text;
    }
}

TEST(Plain, NumbersAsPerformanceDataHasThem) {
    EXPECT_EQ(plain(0), "0");
    EXPECT_EQ(plain(12), "12");
    EXPECT_EQ(plain(99.5), "99.5");
    EXPECT_EQ(plain(-3), "-3");
    EXPECT_EQ(plain(1e15), "1000000000000000");
    EXPECT_EQ(plain(0.1), "0.1");
}

}  // namespace
}  // namespace connleak

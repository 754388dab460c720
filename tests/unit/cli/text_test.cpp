// Text for a terminal: nothing hostile reaches it, and widths are what a person sees.
#include "cli/render/text.h"
#include "diagnosis/model/printable.h"

#include <gtest/gtest.h>

#include <random>

namespace connleak::render {
namespace {

using Align = Grid::Align;

TEST(Text, Printable) {
    EXPECT_EQ(printable("plain, with blanks"), "plain, with blanks");
    EXPECT_EQ(printable(""), "");
    EXPECT_EQ(printable("größe 東京 🦆"), "größe 東京 🦆");
    EXPECT_EQ(printable("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
    EXPECT_EQ(printable("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
    EXPECT_EQ(printable("a\nb\r\nc\td"), "a\\nb\\x0d\\nc\\x09d");
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(printable("\x7f"), "\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "\\xc2\\x9b31m")
        << "C1: CSI in one character";
    EXPECT_EQ(printable("\x9b"
                        "31m"),
              "\\x9b31m")
        << "and as a byte";
    EXPECT_EQ(printable("\xe2\x80\xae"
                        "gpj.exe"),
              "\\xe2\\x80\\xaegpj.exe")
        << "U+202E";
    EXPECT_EQ(printable("\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf"),
              "\\xe2\\x81\\xa6\\xe2\\x80\\x8b\\xef\\xbb\\xbf");
    EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "\\xf3\\xa0\\x81\\x81") << "a tag character";
}

TEST(Text, PrintableOfBrokenUtf8) {
    EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(printable("\xc3("), "\\xc3(");
    EXPECT_EQ(printable("\xc3"), "\\xc3") << "cut off";
    EXPECT_EQ(printable("\xe6\x9d"), "\\xe6\\x9d");
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
    EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
    EXPECT_EQ(printable("\xf0\x80\x80\xaf"), "\\xf0\\x80\\x80\\xaf");
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
    EXPECT_EQ(printable("\x80"), "\\x80");
}

TEST(Text, PrintableOfAnythingIsOneLineOfPlainText) {
    std::mt19937 random(1);
    for (int round = 0; round < 2'000; ++round) {
        std::string bytes(random() % 40, ' ');
        for (char& byte : bytes) byte = char(random());
        const std::string text = printable(bytes);
        for (const char c : text)
            ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << text;
        ASSERT_EQ(printable(text), text) << "it is stable";
    }
}

TEST(Text, Width) {
    EXPECT_EQ(width(""), 0U);
    EXPECT_EQ(width("abc"), 3U);
    EXPECT_EQ(width("größe"), 5U);
    EXPECT_EQ(width("東京"), 4U);
    EXPECT_EQ(width("e\xcc\x81"), 1U) << "a combining accent";
    EXPECT_EQ(width("…"), 1U);
    EXPECT_EQ(width("\xff"), 1U);
}

TEST(Text, Fit) {
    EXPECT_EQ(fit("abc", 3), "abc");
    EXPECT_EQ(fit("abcd", 3), "ab…");
    EXPECT_EQ(fit("abcd", 1), "…");
    EXPECT_EQ(fit("abcd", 0), "");
    EXPECT_EQ(fit("東京都", 6), "東京都");
    EXPECT_EQ(fit("東京都", 5), "東京…");
    EXPECT_EQ(fit("東京都", 4), "東…") << "half of a wide one is not shown";
    EXPECT_EQ(fit("e\xcc\x81xyz", 3), "e\xcc\x81x…");
}

TEST(Text, Wrap) {
    EXPECT_EQ(wrap("", 10, 2), "");
    EXPECT_EQ(wrap("one two", 7, 0), "one two");
    EXPECT_EQ(wrap("one two three", 7, 0), "one two\nthree");
    EXPECT_EQ(wrap("one two three", 9, 4), "one two\n    three");
    EXPECT_EQ(wrap("  many   blanks ", 80, 0), "many blanks");
    EXPECT_EQ(wrap("東京 東京", 8, 0), "東京\n東京");
    EXPECT_EQ(wrap("東京 東京", 9, 0), "東京 東京");
    EXPECT_EQ(wrap("abcdefghij", 4, 0), "abcd\nefgh\nij") << "a word wider than a line";
    EXPECT_EQ(wrap("ab cdefghij", 5, 2), "ab\n  cde\n  fgh\n  ij");
    EXPECT_EQ(wrap("東京都", 5, 0), "東京\n都");
    EXPECT_EQ(wrap("word", 0, 0), "word") << "no room at all: whole rather than never";
}

std::vector<std::string> grid(const std::vector<std::vector<std::string>>& rows,
                              std::size_t columns) {
    Grid made({Align::left, Align::right, Align::left});
    for (const auto& row : rows) made.row(row);
    return made.lines(columns, {0});
}

using Lines = std::vector<std::string>;

TEST(Text, GridAligns) {
    EXPECT_EQ(grid({{"NAME", "N", "WHY"}, {"a", "1,234", ""}, {"東京", "5", "x"}}, 80),
              (Lines{"NAME      N  WHY", "a     1,234", "東京      5  x"}));
    EXPECT_EQ(grid({}, 80), Lines{});
    Grid made({Align::left, Align::right, Align::left});
    made.row({"NAME", "1,234", "WHY"});
    EXPECT_EQ(made.natural_width(), 16U);
}

TEST(Text, GridTakesFromTheElasticColumnFirst) {
    EXPECT_EQ(grid({{"php-fpm: pool www", "80", "why"}}, 20), (Lines{"php-fpm: p…  80  why"}));
    EXPECT_EQ(grid({{"php-fpm: pool www", "12345678901234", "why"}}, 20),
              (Lines{"php-f…  123456…  why"}))
        << "then from the widest";
}

TEST(Text, GridNeverLeavesItsColumns) {
    std::mt19937 random(2);
    const std::vector<std::string> pieces = {"x", "東", "e\xcc\x81", " ", "long-word", "…"};
    for (int round = 0; round < 500; ++round) {
        std::vector<std::vector<std::string>> rows(1 + random() % 5);
        for (auto& row : rows)
            for (int cell = 0; cell < 3; ++cell) {
                row.emplace_back();
                for (auto count = random() % 60; count > 0; --count)
                    row.back() += pieces[random() % pieces.size()];
            }
        const std::size_t columns = 12 + random() % 189;
        for (const std::string& line : grid(rows, columns)) ASSERT_LE(width(line), columns) << line;
    }
}

}  // namespace
}  // namespace connleak::render

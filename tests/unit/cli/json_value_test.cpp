#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/render/json.h"

namespace connleak::render {

namespace {

std::string written(const Json& json) {
    std::string text;
    json.write(text);
    return text;
}

TEST(JsonValue, Scalars) {
    EXPECT_EQ(written(nullptr), "null");
    EXPECT_EQ(written(true), "true");
    EXPECT_EQ(written(false), "false");
    EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(written(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
    EXPECT_EQ(written(std::uint8_t{7}), "7");
    EXPECT_EQ(written("text"), "\"text\"");
    EXPECT_EQ(written(std::string("text")), "\"text\"");
    EXPECT_EQ(written(std::string_view()), "\"\"");
}

TEST(JsonValue, ReadsAsTheLibraryWritesIt) {
    for (const double value : {0.0, 1.0, 0.001, 12.345, -0.5, 1e15, 1e20, 1.5e-7, 123456.789})
        EXPECT_EQ(written(value), nlohmann::json(value).dump());
    for (const std::string_view text :
         {"\"quoted\"", "back\\slash", "\n\t\x01\x1b", "\x7f", "naïve ☃ 𝄞", "cut \xe2\x98",
          "\xff\xfe", "\xc3(", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98\xc3\xa9"})
        EXPECT_EQ(written(text), nlohmann::json(text).dump(
                                     -1, ' ', false, nlohmann::json::error_handler_t::replace))
            << text;
}

TEST(JsonValue, ObjectsAndArraysKeepTheirOrder) {
    Json list = Json::array();
    EXPECT_EQ(written(list), "[]");
    list.push_back(1);
    list.push_back({{"b", 2}, {"a", nullptr}});
    Json object = {{"list", list}};
    object.add("z", "last");
    EXPECT_EQ(written(object), R"({"list":[1,{"b":2,"a":null}],"z":"last"})");
    EXPECT_EQ(written(Json::object()), "{}");
}

TEST(JsonValue, AMemberIsReplacedWhereItStands) {
    Json object = {{"first", 1}, {"second", 2}};
    object["first"] = "one";
    object["third"] = 3;
    EXPECT_EQ(written(object), R"({"first":"one","second":2,"third":3})");
    object = {{"path", "/run/a\"b"}};
    EXPECT_EQ(written(object), R"({"path":"/run/a\"b"})");
}

TEST(JsonValue, NamesAreEscapedToo) {
    EXPECT_EQ(written({{"a\"\xff", 1}}), "{\"a\\\"\xef\xbf\xbd\":1}");
}

TEST(JsonValue, TextsAreRepairedAsTheyAreWritten) {
    EXPECT_EQ(valid_utf8("plain \"text\"\n"), "plain \"text\"\n");
    EXPECT_EQ(valid_utf8("a\xff\xe2\x98z"), "a\xef\xbf\xbd\xef\xbf\xbdz");
}

}  // namespace

}  // namespace connleak::render

// The tables of options, and what the parser makes of arguments by them.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "cli/options/parser.h"
#include "cli/verbs.h"

namespace connleak::cli {
namespace {

// One option of every kind.
Command command() {
    return {.verb = "try",
            .usage = "connleak try",
            .intro = "Intro.",
            .footer = "Footer.",
            .options = {
                {.names = "WHAT",
                 .value_name = "",
                 .help = "Arguments",
                 .kind = Kind::text,
                 .repeatable = true},
                {.names = "-f,--flag", .value_name = "", .help = "A flag"},
                {.names = "--with", .value_name = "", .help = "Needs the flag", .needs = "--flag"},
                {.names = "--against",
                 .value_name = "",
                 .help = "Excludes the flag",
                 .excludes = "--flag",
                 .unavailable = "no such library"},
                {.names = "-t,--text", .value_name = "TEXT", .help = "A text", .kind = Kind::text},
                {.names = "--many",
                 .value_name = "TEXT",
                 .help = "Texts",
                 .kind = Kind::text,
                 .repeatable = true},
                {.names = "--number",
                 .value_name = "N",
                 .help = "A number ({default})",
                 .kind = Kind::number,
                 .default_value = "5",
                 .least = 1,
                 .most = 10},
                {.names = "--port",
                 .value_name = "N",
                 .help = "Ports",
                 .kind = Kind::number,
                 .repeatable = true,
                 .least = 1,
                 .most = 65535},
                {.names = "--time",
                 .value_name = "TIME",
                 .help = "A time ({default})",
                 .kind = Kind::duration,
                 .default_value = "90s",
                 .least = 2,
                 .most = 3600,
                 .range = "2s to 1h"},
                {.names = "--color",
                 .value_name = "COLOR",
                 .help = "{words}",
                 .kind = Kind::choice,
                 .default_value = "red",
                 .words = words_of({"red", "green", "blue"})},
            }};
}

Given given(const Arguments& arguments) {
    auto made = parse(command(), arguments);
    if (made) return *made;
    ADD_FAILURE() << made.error().text;
    return {};
}

std::string wrong(const Arguments& arguments) {
    const auto made = parse(command(), arguments);
    if (made) return "taken";
    EXPECT_EQ(made.error().status, usage_error);
    EXPECT_FALSE(made.error().text.contains('\n')) << made.error().text;
    return made.error().text;
}

TEST(Parser, Defaults) {
    const Given none = given({});
    EXPECT_FALSE(none.has("--flag") || none.has("--number") || none.has("WHAT"));
    EXPECT_EQ(none.text("--text"), "");
    EXPECT_EQ(none.number("--number"), 5);
    EXPECT_EQ(none.seconds("--time"), 90);
    EXPECT_EQ(none.text("--color"), "red");
    EXPECT_TRUE(none.texts("--many").empty() && none.ports("--port").empty());
    EXPECT_THROW(static_cast<void>(none.has("--nonsense")), std::logic_error);
}

TEST(Parser, ValuesOfEveryKind) {
    const Given all =
        given({"one", "--flag", "--text=a=b", "--many", "x", "--many=y", "two", "--number", "10",
               "--port", "7", "--port=65535", "--time", "1h", "--color", "blue", "--", "--three"});
    EXPECT_EQ(all.texts("WHAT"), (Arguments{"one", "two", "--three"}));
    EXPECT_TRUE(all.has("-f") && all.has("--flag"));
    EXPECT_EQ(all.text("--text"), "a=b");
    EXPECT_EQ(all.texts("--many"), (Arguments{"x", "y"}));
    EXPECT_EQ(all.number("--number"), 10);
    EXPECT_EQ(all.ports("--port"), (std::vector<std::uint16_t>{7, 65535}));
    EXPECT_EQ(all.seconds("--time"), 3600);
    EXPECT_EQ(all.text("--color"), "blue");
    EXPECT_EQ(given({"-fff"}).count("--flag"), 3);
    EXPECT_EQ(given({"-ftx"}).text("--text"), "x");
    EXPECT_EQ(given({"--text", ""}).count("--text"), 1) << "given, and empty";
}

TEST(Parser, WhatIsWrong) {
    EXPECT_EQ(wrong({"--number", "0"}),
              "--number: Value 0 not in range 1 to 10 (see connleak try --help)");
    for (const char* number :
         {"11", "-1", "", "x", "1.5", "0x1", " 1", "1 ", "99999999999999999999"})
        EXPECT_TRUE(wrong({"--number", number}).contains("not in range")) << number;
    EXPECT_EQ(wrong({"--time", "soon"}),
              "--time: 'soon' is no duration; write 30, 30s, 5m, 2h or "
              "1d (see connleak try --help)");
    for (const char* time : {"1", "2h"})
        EXPECT_EQ(wrong({"--time", time}), "--time: write a time from 2s to 1h");
    EXPECT_EQ(wrong({"--color", "pink"}),
              "--color: pink not in {red,green,blue} (see connleak try --help)");
    EXPECT_EQ(wrong({"--text"}), "--text: 1 required TEXT missing (see connleak try --help)");
    EXPECT_NE(wrong({"--text", "a", "--text", "b"}), "taken");
    EXPECT_EQ(wrong({"--with"}), "--with requires --flag (see connleak try --help)");
    EXPECT_TRUE(wrong({"--against", "-f"}).contains("excludes"));
    EXPECT_EQ(wrong({"--nonsense"}), "unknown option: --nonsense (see connleak try --help)");
    EXPECT_EQ(wrong({"-Z", "--\x1b"}), "unknown option: -Z --\\x1b (see connleak try --help)");
    EXPECT_NE(wrong({"--no-flag"}), "taken");
}

TEST(Parser, NoValueOfAWrongOptionIsEchoed) {
    for (const Arguments& arguments :
         {Arguments{"--flag=s3cret"}, Arguments{"--texts=s3cret"}, Arguments{"-Zs3cret"},
          Arguments{"--with=s3cret", "--flag"}, Arguments{"--Z=two s3cret", "x"}})
        EXPECT_FALSE(wrong(arguments).contains("s3cret")) << wrong(arguments);
}

TEST(Parser, HelpTellsWhatTheTableSays) {
    const auto made = parse(command(), {"--help"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().status, 0);
    EXPECT_EQ(made.error().text, help_text(command()));
    for (const char* line :
         {"Intro.\n", "Usage: connleak try [OPTIONS] [WHAT...]\n",
          "  -h,--help               Print this help\n", "  -f,--flag               A flag\n",
          "  -t,--text TEXT          A text\n", "  --number N              A number (5)\n",
          "  --color COLOR           red, green or blue\n",
          "(not in this build: no such library)\n", "Footer."})
        EXPECT_TRUE(made.error().text.contains(line)) << line << made.error().text;
}

TEST(Verbs, TablesAreWellFormed) {
    std::set<std::string_view> verb_names;
    for (const Verb& verb : verbs()) {
        SCOPED_TRACE(verb.name);
        EXPECT_TRUE(verb_names.insert(verb.name).second);
        EXPECT_FALSE(verb.description.empty());
        const Command its = verb.command();
        EXPECT_EQ(its.verb, verb.name);
        EXPECT_TRUE(its.usage.starts_with("connleak "));
        EXPECT_FALSE(its.intro.empty());
        std::set<std::string> names;
        for (const Option& option : its.all_options()) {
            SCOPED_TRACE(option.names);
            for (const std::string& name : option.all_names())
                EXPECT_TRUE(names.insert(name).second) << "twice: " << name;
            EXPECT_FALSE(option.description().empty());
            EXPECT_FALSE(option.description().contains('{')) << "a name that is no placeholder";
            EXPECT_TRUE(option.is_argument() ||
                        option.value_name.empty() == (option.kind == Kind::flag));
            const bool has_words = option.kind == Kind::choice || option.kind == Kind::list ||
                                   option.kind == Kind::rule;
            EXPECT_EQ(!option.words.empty(), has_words);
            EXPECT_LE(option.least, option.most);
            for (const std::string& other : {option.excludes, option.needs})
                EXPECT_TRUE(
                    other.empty() || option.is_called(other) ||
                    std::ranges::any_of(its.options,
                                        [&](const Option& each) { return each.is_called(other); }))
                    << other;
        }
    }
}

// What the defaults are parsed to is what an option that is given may be.
TEST(Verbs, DefaultsCanBeGiven) {
    for (const Verb& verb : verbs()) {
        const Command its = verb.command();
        for (const Option& option : its.options) {
            if (option.default_value.empty() || !option.needs.empty()) continue;
            EXPECT_TRUE(parse(its, {option.name(), option.default_value}))
                << verb.name << ' ' << option.name();
        }
    }
}

TEST(Verbs, HelpOfEachIsItsOwn) {
    for (const Verb& verb : verbs())
        EXPECT_TRUE(help_text(verb.command()).contains("Usage: " + verb.command().usage))
            << verb.name;
    EXPECT_TRUE(parse(help_command(), {"check"}));
    EXPECT_FALSE(parse(help_command(), {"nonsense"}));
    EXPECT_FALSE(parse(help_command(), {"check", "scan"}));
    EXPECT_TRUE(parse(version_command(), {}));
    EXPECT_FALSE(parse(version_command(), {"--nonsense"}));
}

}  // namespace
}  // namespace connleak::cli

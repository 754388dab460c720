// The words of `connleak sockets`.
#include "cli/sockets/options.h"

#include <gtest/gtest.h>

#include "diagnosis/filter/expression.h"

namespace connleak::cli {
namespace {

SocketsOptions options(const Arguments& arguments) {
    auto made = parse_sockets_options(arguments);
    if (made) return *made;
    ADD_FAILURE() << made.error().text;
    return {};
}

std::string wrong(const Arguments& arguments) {
    const auto made = parse_sockets_options(arguments);
    if (made) return "taken";
    EXPECT_EQ(made.error().status, 2);
    return made.error().text;
}

std::string columns(const Arguments& arguments) {
    std::string text;
    for (const render::Column* column : options(arguments).columns)
        text += (text.empty() ? "" : " ") + std::string(column->name);
    return text;
}

constexpr const char* standard = "PROTO STATE RECV-Q SEND-Q LOCAL REMOTE TIMER PROCESS";

TEST(SocketsOptions, Defaults) {
    const SocketsOptions made = options({});
    EXPECT_TRUE(made.filter.empty());
    EXPECT_TRUE(made.tcp && made.ipv4 && made.ipv6 && made.headings && made.netns_column);
    EXPECT_FALSE(made.unix_sockets || made.resolve);
    EXPECT_EQ(made.netns, "all");
    EXPECT_EQ(made.persistent_after_s, 60);
    EXPECT_EQ(columns({}), standard);
}

TEST(SocketsOptions, StatesAsInSs) {
    const auto bits = [](std::initializer_list<State> states) {
        std::uint32_t all = 0;
        for (const State state : states) all |= state_bit(state);
        return all;
    };
    const std::uint32_t listening = bits({State::listen, State::closed});
    const std::uint32_t standard_states =
        filter::all_states & ~listening & ~bits({State::time_wait, State::syn_received});
    EXPECT_EQ(options({}).states, standard_states);
    EXPECT_EQ(options({"-a"}).states, filter::all_states);
    EXPECT_EQ(options({"--all"}).states, filter::all_states);
    EXPECT_EQ(options({"-l"}).states, listening);
    EXPECT_EQ(options({"--listening"}).states, listening);
    // The last of the two.
    EXPECT_EQ(options({"-tlan"}).states, filter::all_states);
    EXPECT_EQ(options({"-tanl"}).states, listening);
    EXPECT_EQ(options({"-a", "--listening"}).states, listening);
}

TEST(SocketsOptions, FamiliesAndProtocols) {
    EXPECT_TRUE(options({"-4"}).ipv4);
    EXPECT_FALSE(options({"-4"}).ipv6);
    EXPECT_FALSE(options({"-6"}).ipv4);
    EXPECT_TRUE(options({"-46"}).ipv4 && options({"-46"}).ipv6);
    EXPECT_FALSE(options({"-x"}).tcp);
    EXPECT_TRUE(options({"-xt"}).tcp && options({"-xt"}).unix_sockets);
    EXPECT_TRUE(options({"--unix", "-4"}).tcp);
}

TEST(SocketsOptions, FilterWordsStandAnywhere) {
    const Arguments expected{"dport", "=", ":22", "and", "(", "sport", ">", ":1000", ")"};
    EXPECT_EQ(options({"-a", "dport", "=", ":22", "-H", "and", "(", "sport", ">", "-N", "web",
                       ":1000", ")", "--sort", "pid"})
                  .filter,
              expected);
    EXPECT_EQ(options({"-H", "--", "-a", "[::1]"}).filter, (Arguments{"-a", "[::1]"}));
    EXPECT_EQ(options({"dst", "[::1]"}).filter, (Arguments{"dst", "[::1]"}));  // kept as it is
    EXPECT_EQ(options({"!", "a = b", "-", ""}).filter, (Arguments{"!", "a = b", "-", ""}));
}

TEST(SocketsOptions, Values) {
    EXPECT_EQ(options({"-Nweb"}).netns, "web");
    EXPECT_EQ(options({"-tnN", "web"}).netns, "web");
    EXPECT_EQ(options({"-tnNweb"}).netns, "web");
    EXPECT_EQ(options({"--net=web"}).netns, "web");
    EXPECT_EQ(options({"--netns", "self"}).netns, "self");
    EXPECT_EQ(options({"--format", "ndjson"}).format, Format::ndjson);
    EXPECT_EQ(options({"--json"}).format, Format::json);
    EXPECT_EQ(options({"--timer", "ss"}).timer, render::TimerStyle::ss);
    EXPECT_EQ(options({"--persistent-after", "2h"}).persistent_after_s, 7200);
}

TEST(SocketsOptions, Columns) {
    EXPECT_EQ(columns({"-o", "pid,Local"}), "PID LOCAL");
    EXPECT_EQ(columns({"-opid"}), "PID");
    EXPECT_EQ(columns({"-o", "+pid,pid,state"}), std::string(standard) + " PID");
    EXPECT_EQ(columns({"-o", "pid", "--columns", "+rtt"}), "PID RTT");
    EXPECT_EQ(columns({"-ei"}),
              std::string(standard) + " RTT RETRANS BACKOFF UNACKED HEARD UID INODE COOKIE CGROUP");
    EXPECT_EQ(columns({"-m"}),
              std::string(standard) + " RMEM RCVBUF WMEM SNDBUF FWD QUEUED OPTMEM BACKLOG DROPS");
    EXPECT_EQ(columns({"-x"}),
              "PROTO STATE RECV-Q SEND-Q LOCAL INODE REMOTE PEER-INODE PROCESS PEER-PROCESS");
    EXPECT_FALSE(options({"-o", "pid"}).netns_column);
    EXPECT_TRUE(options({"-o", "+pid"}).netns_column);
    // ss's -o, in a word with others.
    EXPECT_EQ(columns({"-tanop"}), standard);
    EXPECT_EQ(options({"-tano", "state", "established"}).filter,
              (Arguments{"state", "established"}));
}

TEST(SocketsOptions, SortAndCount) {
    const auto sort = options({"--sort", "-idle,remote"}).sort;
    ASSERT_EQ(sort.size(), 2U);
    EXPECT_EQ(sort[0].column, render::find_column("IDLE"));
    EXPECT_TRUE(sort[0].descending);
    EXPECT_EQ(sort[1].column, render::find_column("REMOTE"));
    EXPECT_FALSE(sort[1].descending);
    EXPECT_EQ(options({"--count-by", "group,state", "--count-by", "group,user"}).count_by,
              (std::vector{CountKey::group, CountKey::state, CountKey::user}));
}

TEST(SocketsOptions, WhatIsWrong) {
    EXPECT_EQ(wrong({"-o", "state,colour"}),
              "-o: there is no column 'colour'; connleak sockets --help lists them");
    const char* const needs_columns =
        "-o chooses columns and needs their names (timers, for which ss has -o, are shown by "
        "default)";
    for (const Arguments& arguments : {Arguments{"-o"}, Arguments{"-a", "-o", ""},
                                       Arguments{"--columns="}, Arguments{"-o", "+"}})
        EXPECT_EQ(wrong(arguments), needs_columns);
    EXPECT_EQ(wrong({"--sort", "-\x1b"}),
              "--sort: there is no column '\\x1b'; connleak sockets --help lists them");
    EXPECT_EQ(
        wrong({"--count-by", "state,"}),
        "--count-by: '' is none of group, process, state, peer, local, unit, container, user");
    EXPECT_EQ(wrong({"-Q"}), "unknown option: -Q (see connleak sockets --help)");
    for (const Arguments& arguments :
         {Arguments{"-N"}, Arguments{"--sort"}, Arguments{"--timer", "x"},
          Arguments{"--format", "x"}, Arguments{"--sort", "pid", "--count-by", "state"},
          Arguments{"--persistent-after", "1w"}})
        EXPECT_NE(wrong(arguments), "taken");
}

TEST(SocketsOptions, HelpNamesEveryColumn) {
    const auto made = parse_sockets_options({"-h"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().status, 0);
    for (const render::Column& column : render::all_columns())
        EXPECT_NE(made.error().text.find("\n  " + std::string(column.name) + " "),
                  std::string::npos)
            << column.name;
}

}  // namespace
}  // namespace connleak::cli

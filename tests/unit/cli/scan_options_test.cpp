// The command line: what it means, and what is said when it means nothing.
#include "cli/report/options.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/options/parser.h"

namespace connleak::cli {
namespace {

ScanOptions options(const Arguments& arguments) {
    auto made = parse_scan_options(arguments);
    if (made) return *made;
    ADD_FAILURE() << made.error().text;
    return {};
}

Stop stop(const Arguments& arguments) {
    auto made = parse_scan_options(arguments);
    if (!made) return made.error();
    std::string shown;
    for (const std::string& argument : arguments) shown += ' ' + argument;
    ADD_FAILURE() << "taken:" << shown;
    return {};
}

TEST(Options, Defaults) {
    const ScanOptions made = options({});
    EXPECT_TRUE(made.targets.empty());
    EXPECT_TRUE(made.ports.empty());
    EXPECT_EQ(made.format, Format::table);
    EXPECT_EQ(made.output, "");
    EXPECT_EQ(made.color, When::automatic);
    EXPECT_EQ(made.netns, "all");
    EXPECT_EQ(made.user, "");
    EXPECT_EQ(made.connect_timeout, std::chrono::seconds(3));
    EXPECT_EQ(made.recent_s, 60);
    EXPECT_EQ(made.persistent_after_s, 60);
    EXPECT_FALSE(made.ask_password || made.connections || made.exit_code);
}

TEST(Options, All) {
    const ScanOptions made = options({":6379",
                                      "--port",
                                      "7000",
                                      "--port=7001",
                                      "--format",
                                      "json",
                                      "--output",
                                      "file",
                                      "--color",
                                      "never",
                                      "--connections",
                                      "--exit-code",
                                      "--netns",
                                      "web1",
                                      "--recent",
                                      "2h",
                                      "--persistent-after",
                                      "1d",
                                      "--connect-timeout",
                                      "5",
                                      "--user",
                                      "monitor",
                                      "--askpass",
                                      "redis://other@h:1"});
    ASSERT_EQ(made.targets.size(), 2U);
    EXPECT_EQ(made.targets[0].port, 6379);
    EXPECT_EQ(made.targets[0].user, "monitor");
    EXPECT_EQ(made.targets[1].user, "other") << "what stands in the TARGET is meant";
    EXPECT_EQ(made.ports, (std::vector<std::uint16_t>{7000, 7001}));
    EXPECT_EQ(made.format, Format::json);
    EXPECT_EQ(made.output, "file");
    EXPECT_EQ(made.color, When::never);
    EXPECT_TRUE(made.connections && made.exit_code && made.ask_password);
    EXPECT_EQ(made.netns, "web1");
    EXPECT_EQ(made.recent_s, 7'200);
    EXPECT_EQ(made.persistent_after_s, 86'400);
    EXPECT_EQ(made.connect_timeout, std::chrono::seconds(5));
    EXPECT_EQ(options({"--pass-file", "secret"}).password_file, "secret");
    EXPECT_EQ(options({"--json"}).format, Format::json);
    EXPECT_EQ(options({"--format", "table"}).format, Format::table);
    EXPECT_EQ(options({"--format", "ndjson"}).format, Format::ndjson);
    EXPECT_EQ(options({"--format", "prometheus"}).format, Format::prometheus);
    EXPECT_EQ(options({"--color=always"}).color, When::always);
    // A TARGET behind a repeatable option is still one.
    EXPECT_EQ(options({"--port", "7000", ":6379"}).targets.size(), 1U);
    EXPECT_EQ(options({"--", ":6379"}).targets.size(), 1U);
}

TEST(Options, Durations) {
    EXPECT_EQ(parse_duration("30"), 30);
    EXPECT_EQ(parse_duration("30s"), 30);
    EXPECT_EQ(parse_duration("5m"), 300);
    EXPECT_EQ(parse_duration("2h"), 7'200);
    EXPECT_EQ(parse_duration("1d"), 86'400);
    EXPECT_EQ(parse_duration("0"), 0);
    EXPECT_EQ(parse_duration("3660d"), 3'660 * 86'400LL) << "ten years";
    for (const char* wrong : {"", "s", "-1", "+1", "5x", "1.5h", "1h30m", " 1", "1 ", "1S", "soon",
                              "3661d", "99999999999999999999", "9223372036854775807d"})
        EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
}

TEST(Options, HelpIsForStdout) {
    for (const char* word : {"-h", "--help"}) {
        const Stop help = stop({word});
        EXPECT_EQ(help.status, 0);
        for (const char* part :
             {"connleak", "--format", "--connections", "Exit status", "TARGET", "--tls"})
            EXPECT_TRUE(help.text.contains(part)) << part;
        EXPECT_EQ(help.text.contains("not in this build"), !probes::why_no_tls().empty());
    }
}

TEST(Options, BadUsageIsOneLineAndStatus2) {
    const std::vector<Arguments> all = {
        {"--no-such-option"},
        {"-x"},
        {"no-such-verb"},
        {"--format", "xml"},
        {"--format"},
        {"--json", "--format", "table"},
        {"--format", "table", "--json"},
        {"--color", "pink"},
        {"--recent", "soon"},
        {"--recent", "-1"},
        {"--recent", ""},
        {"--recent"},
        {"--persistent-after", "1.2.3"},
        {"--connect-timeout", "x"},
        {"--connect-timeout", "0"},
        {"--connect-timeout", "2h"},
        {"--port", "0"},
        {"--port", "65536"},
        {"--port", "http"},
        {"--askpass", "--pass-file", "f"},
        {"--connections=maybe"},
        {"--tls=no"},
        {"--cacert", "ca.crt", ":6379"},
        {"--insecure", "redis://h:1"},
        {"--tls", "--cert", "c.crt"},
        {"--tls", "--key", "c.key"},
        {"\x1b[31m\n"},
        {"--\x1b[31m\nx"},
    };
    for (const Arguments& arguments : all) {
        const Stop wrong = stop(arguments);
        EXPECT_EQ(wrong.status, 2) << wrong.text;
        EXPECT_FALSE(wrong.text.empty());
        EXPECT_TRUE(std::ranges::all_of(wrong.text, [](char c) {
            return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
        })) << wrong.text;
    }
    EXPECT_EQ(stop({"--recent", "soon"}).text,
              "--recent: 'soon' is no duration; write 30, 30s, 5m, 2h or 1d (see connleak --help)");
    EXPECT_EQ(stop({"--json", "--format", "table"}).text,
              "--format excludes --json (see connleak --help)");
    EXPECT_EQ(stop({"--no-such-option=1", ":6379"}).text,
              "unknown option: --no-such-option (see connleak --help)");
}

TEST(Options, Tls) {
    const ScanOptions made =
        options({"--tls", "--cacert", "ca", "--cacertdir", "cas", "--cert", "c", "--key", "k",
                 "--sni", "redis.example", "--insecure", ":6379"});
    EXPECT_TRUE(made.tls);
    EXPECT_EQ(made.tls_settings.ca_file, "ca");
    EXPECT_EQ(made.tls_settings.ca_folder, "cas");
    EXPECT_EQ(made.tls_settings.certificate_file, "c");
    EXPECT_EQ(made.tls_settings.key_file, "k");
    EXPECT_EQ(made.tls_settings.server_name, "redis.example");
    EXPECT_TRUE(made.tls_settings.insecure);
    const Arguments again = {"--cacert", "ca", "--cacertdir", "cas",           "--cert",    "c",
                             "--key",    "k",  "--sni",       "redis.example", "--insecure"};
    EXPECT_EQ(made.tls_arguments, again);
    const ScanOptions by_target = options({"rediss://h:1", "h:2", "--cacert", "ca"});
    EXPECT_FALSE(by_target.tls);
    EXPECT_TRUE(by_target.targets[0].tls);
    EXPECT_FALSE(by_target.targets[1].tls);
    EXPECT_TRUE(options({":6379"}).tls_arguments.empty());
    EXPECT_EQ(stop({"--cacert", "ca.crt"}).text, "--cacert goes with --tls or a rediss:// TARGET");
    EXPECT_EQ(stop({"--tls", "--cert", "c"}).text, "--cert and --key go together");
}

TEST(Options, NoPasswordIsEchoed) {
    for (const Arguments& arguments :
         {Arguments{"redis://user:s3cret@h:1"}, Arguments{"redis://user:s3cret@h:1", "--nonsense"},
          Arguments{"--pass", "s3cret"}, Arguments{"-a", "s3cret"}, Arguments{"--pass=s3cret"},
          Arguments{"--askpass=s3cret"}, Arguments{"-as3cret"}, Arguments{"--pass=two s3cret"}}) {
        const Stop wrong = stop(arguments);
        EXPECT_EQ(wrong.status, 2);
        EXPECT_FALSE(wrong.text.contains("s3cret")) << wrong.text;
    }
}

}  // namespace
}  // namespace connleak::cli

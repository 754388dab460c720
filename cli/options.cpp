#include "cli/options.h"

#include "cli/options_shared.h"
#include "diagnosis/duration.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
TARGET is host:port, :port, redis://[user@]host:port, unix:/path or tcp://host:port (any TCP service, no
protocol spoken). Without one, every Redis-compatible server on this host is asked, and remote servers that
local processes hold connections to are shown from this side.

Examples:
  connleak                              what is wrong on this host
  connleak :6379 --connections          every connection of one server
  connleak redis://10.0.0.5:6379        from a client's host, ask the server too
  connleak tcp://:9092 --json           any TCP service, for programs

The password comes from REDISCLI_AUTH, --pass-file or --askpass, never from the command line.
Exit status: 0 the report is made, 1 a finding (with --exit-code), 2 bad usage, 3 nothing could be reported.)";

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) {
    constexpr std::int64_t ten_years = 10LL * 366 * 86400;
    const auto seconds = connleak::parse_duration(text);
    return seconds && *seconds <= ten_years ? seconds : std::nullopt;
}

std::expected<Options, Stop> parse_scan_options(const std::vector<std::string>& words) {
    Options options;
    CLI::App app{
        "The report: which connections are alive, dead or leaked, who holds them, and the cure.",
        "connleak [scan]"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    std::vector<std::string> targets;
    std::string connect_timeout = "3s";
    std::string recent = "60s";
    std::string persistent_after = "60s";

    app.add_option("TARGET", targets, "Servers to look at (default: those found)")->expected(0, -1);
    app.add_option("--port", options.ports, "Look at this port as well as 6379 (repeatable)")
        ->type_name("N")
        ->allow_extra_args(false)
        ->check(CLI::Range(1, 65535));
    const SharedOptions shared(app, {"table", "json"});
    app.add_flag("--connections", options.connections, "In the table: list every connection");
    app.add_flag("--exit-code", options.exit_code,
                 "Exit with 1 when a finding is warning or critical");
    app.add_option("--recent", recent, "A peer heard within this time is alive (60s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--persistent-after", persistent_after,
                   "A client's connection older than this is persistent (60s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--connect-timeout", connect_timeout,
                   "For each step of asking a server (3s); the whole takes at most 4 times it")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--user", options.user, "ACL user to log in as")->type_name("NAME");
    auto* ask =
        app.add_flag("--askpass", options.ask_password, "Ask for the password on the terminal")
            ->disable_flag_override();  // else "--askpass=word" is echoed
    app.add_option("--pass-file", options.password_file, "Read the password from FILE's first line")
        ->type_name("FILE")
        ->excludes(ask);

    if (auto stop = parse_words(app, words, "connleak --help")) return std::unexpected(*stop);

    options.format = shared.format();
    options.color = shared.color();
    options.output = shared.output();
    options.netns = shared.netns();
    options.recent_s = *parse_duration(recent);
    options.persistent_after_s = *parse_duration(persistent_after);
    const std::int64_t timeout_s = *parse_duration(connect_timeout);
    if (timeout_s == 0 || timeout_s > 3600)
        return std::unexpected(Stop{usage_error, "--connect-timeout: write a time from 1s to 1h"});
    options.connect_timeout = std::chrono::seconds(timeout_s);
    for (const std::string& text : targets) {
        auto target = parse_target(text);
        if (!target) return std::unexpected(Stop{usage_error, target.error()});
        if (target->user.empty()) target->user = options.user;
        options.targets.push_back(std::move(*target));
    }
    return options;
}

}  // namespace connleak::cli

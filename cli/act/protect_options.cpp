#include "cli/act/protect_options.h"

#include <string_view>

#include "cli/options/report.h"
#include "probes/liveness/borrowed_socket.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
A setting of the server reaches new connections only. This turns keepalive on for the sockets that are there
already, as the server itself does: from then on the kernel removes the dead by itself, and only the dead.

Examples:
  connleak protect :6379                  the plan; nothing is changed
  connleak protect :6379 --yes            every socket that lacks it
  connleak protect :6379 --server --yes   and tcp-keepalive on the server, for new connections
  connleak protect tcp://:9092 --keepalive 10m --yes

Exit status: 0 done, or nothing to do; 1 some could not be reached, 2 bad usage, 3 nothing could be done.)";

}  // namespace

std::expected<ProtectOptions, Stop> parse_protect_options(const std::vector<std::string>& words) {
    ProtectOptions options;
    CLI::App app{"Turns keepalive on for the existing sockets that lack it.", "connleak protect"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");
    const ReportOptions report(app);
    app.add_flag("--yes", options.yes, "Do it; without this the plan is shown")
        ->disable_flag_override();
    std::string keepalive;
    app.add_option("--keepalive", keepalive,
                   "Silence before the kernel asks the peer (the server's tcp-keepalive, else 300)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_flag("--server", options.server,
                 "Also CONFIG SET tcp-keepalive where the server has it off")
        ->disable_flag_override();
    app.add_option("--rate", options.rate, "Sockets a second, so that probes do not burst (2000)")
        ->type_name("N")
        ->check(CLI::Range(1, 1'000'000));
    const SharedOptions shared(app, {"table", "json"});
    if (auto stop = parse_words(app, words, "connleak protect --help"))
        return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    if (!keepalive.empty()) {
        options.keepalive_s = parse_duration(keepalive);
        if (*options.keepalive_s < 1 || *options.keepalive_s > probes::longest_keepalive_s)
            return std::unexpected(
                Stop{usage_error, "--keepalive: write a time from 1s to 9h (32767 s at most)"});
    }
    return options;
}

}  // namespace connleak::cli

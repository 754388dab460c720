#include "cli/report/scan_options.h"

#include <string_view>

#include "cli/options/report.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
TARGET is host:port, :port, redis[s]://[user@]host:port, unix:/path or tcp://host:port (any TCP service, no
protocol spoken). Without one, every Redis-compatible server on this host is asked, and remote servers that
local processes hold connections to are shown from this side.

Examples:
  connleak                              what is wrong on this host
  connleak :6379 --connections          every connection of one server
  connleak redis://10.0.0.5:6379        from a client's host, ask the server too
  connleak tcp://:9092 --json           any TCP service, for programs
  connleak --format prometheus --output /var/lib/prometheus/node-exporter/connleak.prom

The password comes from REDISCLI_AUTH, --pass-file or --askpass, never from the command line.
Exit status: 0 the report is made, 1 a finding (with --exit-code), 2 bad usage, 3 nothing could be reported.)";

}  // namespace

std::expected<ScanOptions, Stop> parse_scan_options(const std::vector<std::string>& words) {
    ScanOptions options;
    CLI::App app{
        "The report: which connections are alive, dead or leaked, who holds them, and the cure.",
        "connleak [scan]"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    const ReportOptions report(app);
    const SharedOptions shared(app, {"table", "json", "ndjson", "prometheus"});
    app.add_flag("--connections", options.connections, "In the table: list every connection");
    app.add_flag("--exit-code", options.exit_code,
                 "Exit with 1 when a finding is warning or critical");
    if (auto stop = parse_words(app, words, "connleak --help")) return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    return options;
}

}  // namespace connleak::cli

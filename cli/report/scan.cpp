// connleak scan: reads, diagnoses and renders the report.
#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/report/options.h"
#include "cli/report/write_report.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"

namespace connleak::cli {

namespace {

constexpr std::string_view scan_examples = R"(
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

Command scan_command() {
    return {.verb = "scan",
            .usage = "connleak [scan]",
            .intro =
                "The report: which connections are alive, dead or leaked, who holds them, and "
                "the cure.",
            .footer = std::string(scan_examples),
            .options = joined({report_options(),
                               output_options(words_of({"table", "json", "ndjson", "prometheus"})),
                               {connections_option(),
                                {.names = "--exit-code",
                                 .value_name = "",
                                 .help = "Exit with 1 when a finding is warning or critical"}}})};
}

std::expected<ScanOptions, Stop> parse_scan_options(const Arguments& arguments) {
    const auto given = parse(scan_command(), arguments);
    if (!given) return std::unexpected(given.error());
    ScanOptions options;
    take_output(*given, options);
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.connections = given->has("--connections");
    options.exit_code = given->has("--exit-code");
    return options;
}

int scan(const Arguments& arguments) {
    const auto options = parse_scan_options(arguments);
    if (!options) return stop(options.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());
    if (const auto written = write_report(**run, *options, options->connections); !written)
        return fail(nothing_reported, written.error());

    if (options->exit_code) {
        for (const Finding& finding : (*run)->report().findings)
            if (finding.severity != Severity::ok) return found_something;
    }
    return made;
}

}  // namespace connleak::cli

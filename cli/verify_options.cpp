#include "cli/verify_options.h"

#include <fmt/format.h>

#include <string_view>

#include "cli/options_report.h"

namespace connleak::cli {

namespace {

constexpr std::int64_t longest_wait_s = 3600;

constexpr std::string_view examples = R"(
Has the kernel send a keepalive probe to the peer of every connection that is unverified or suspect, from the
server's own socket (on a client's host: from the client's), and puts the socket's settings back. A peer that
answers is healthy; one that resets, or stays silent to at least 20 probes over the waiting, is a ghost. No
protocol is spoken and no login is needed. Nothing is ever closed but by a peer's own reset.

Examples:
  connleak verify :6379                 prove what no table shows
  connleak verify tcp://:9092 --all     every established connection of any TCP service

Needs the right to borrow the owners' sockets (CAP_SYS_PTRACE, or the same user), and CAP_NET_RAW to repeat probes.
Exit status: 0 done, 1 some could not be verified, 2 bad usage, 3 nothing could be verified.)";

}  // namespace

std::expected<VerifyOptions, Stop> parse_verify_options(const std::vector<std::string>& words) {
    VerifyOptions options;
    std::string wait = "15s";
    CLI::App app{"Proof of life: has the kernel probe every peer that no table shows.",
                 "connleak verify"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    const ReportOptions report(app);
    const SharedOptions shared(app, {"table", "json", "ndjson", "prometheus"});
    app.add_flag("--all", options.all,
                 "Every established connection, not only unverified and suspect ones");
    app.add_option("--rate", options.proof.rate, "Take up this many connections a second (2000)")
        ->type_name("N")
        ->check(CLI::Range(1, 100'000));
    app.add_option("--wait", wait, "Wait this long for the answer of each (15s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_flag("--connections", options.connections, "In the table: list every connection");
    if (auto stop = parse_words(app, words, "connleak verify --help"))
        return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    const std::int64_t wait_s = *parse_duration(wait);
    if (wait_s < shortest_wait_s || wait_s > longest_wait_s)
        return std::unexpected(Stop{
            usage_error, fmt::format("--wait: write a time from {}s to 1h; in less, a peer behind "
                                     "a path that loses packets could be called dead",
                                     shortest_wait_s)});
    options.proof.wait_ms = wait_s * 1000;
    return options;
}

}  // namespace connleak::cli

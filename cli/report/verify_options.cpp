#include "cli/report/verify_options.h"

#include <string_view>

#include "cli/options/proof.h"
#include "cli/options/report.h"

namespace connleak::cli {

namespace {

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
    CLI::App app{"Proof of life: has the kernel probe every peer that no table shows.",
                 "connleak verify"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    const ReportOptions report(app);
    const SharedOptions shared(app, {"table", "json", "ndjson", "prometheus"});
    app.add_flag("--all", options.all,
                 "Every established connection, not only unverified and suspect ones");
    const ProofWords proof(app);
    app.add_flag("--connections", options.connections, "In the table: list every connection");
    if (auto stop = parse_words(app, words, "connleak verify --help"))
        return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    if (auto stop = proof.fill(options.proof)) return std::unexpected(*stop);
    return options;
}

}  // namespace connleak::cli

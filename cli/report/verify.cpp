// connleak verify: the report, after the kernel has probed the peers that are in no table.
#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/report/options.h"
#include "cli/report/progress.h"
#include "cli/report/write_report.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"

namespace connleak::cli {

namespace {

constexpr std::string_view verify_examples = R"(
Has the kernel send a keepalive probe to the peer of every connection that is unverified or suspect, from the
server's own socket (on a client's host: from the client's), and puts the socket's settings back. A peer that
answers is healthy; one that resets, or stays silent to at least 20 probes over the waiting, is a ghost. No
protocol is spoken and no login is needed. Nothing is ever closed but by a peer's own reset.

Examples:
  connleak verify :6379                 prove what no table shows
  connleak verify tcp://:9092 --all     every established connection of any TCP service

Needs the right to borrow the owners' sockets (CAP_SYS_PTRACE, or the same user), and CAP_NET_RAW to repeat probes.
Exit status: 0 done, 1 some could not be verified, 2 bad usage, 3 nothing could be verified.)";

int status_of(const collect::ProofEnd& end) {
    if (end.interrupted) return found_something;
    if (end.decided == end.wanted) return made;
    return end.decided == 0 ? nothing_reported : found_something;
}

}  // namespace

Command verify_command() {
    return {.verb = "verify",
            .usage = "connleak verify",
            .intro = "Proof of life: has the kernel probe every peer that no table shows.",
            .footer = std::string(verify_examples),
            .options = joined(
                {report_options(),
                 output_options(words_of({"table", "json", "ndjson", "prometheus"})),
                 {{.names = "--all",
                   .value_name = "",
                   .help = "Every established connection, not only unverified and suspect ones"}},
                 proof_options(),
                 {connections_option()}})};
}

std::expected<VerifyOptions, Stop> parse_verify_options(const Arguments& arguments) {
    const auto given = parse(verify_command(), arguments);
    if (!given) return std::unexpected(given.error());
    VerifyOptions options;
    take_output(*given, options);
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.connections = given->has("--connections");
    options.all = given->has("--all");
    options.proof = proof_of(*given);
    return options;
}

int verify(const Arguments& arguments) {
    const auto options = parse_verify_options(arguments);
    if (!options) return stop(options.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());

    const collect::ProofEnd end = prove_shown(**run, options->all, options->proof);
    if (const auto written = write_report(**run, *options, options->connections); !written)
        return fail(nothing_reported, written.error());
    return status_of(end);
}

}  // namespace connleak::cli

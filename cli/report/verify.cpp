// connleak verify: the report, after the kernel has probed the peers that no table shows.
#include "cli/report/progress.h"
#include "cli/report/verify_options.h"
#include "cli/report/write_report.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"

namespace connleak::cli {

namespace {

int status_of(const collect::ProofEnd& end) {
    if (end.interrupted) return found_something;
    if (end.decided == end.wanted) return made;
    return end.decided == 0 ? nothing_reported : found_something;
}

}  // namespace

int verify(const Words& words) {
    const auto options = parse_verify_options(words);
    if (!options) return stop(options.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());

    const collect::ProofEnd end = prove_shown(**run, options->all, options->proof);
    if (const auto written = write_report(**run, *options, options->connections); !written)
        return fail(nothing_reported, written.error());
    return status_of(end);
}

}  // namespace connleak::cli

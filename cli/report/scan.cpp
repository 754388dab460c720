// connleak scan: the report. Collects, diagnoses, renders.
#include "cli/report/scan_options.h"
#include "cli/report/write_report.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"

namespace connleak::cli {

int scan(const Words& words) {
    const auto options = parse_scan_options(words);
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

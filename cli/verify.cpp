// connleak verify: the report, after the kernel has probed the peers that no table shows.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/prove.h"
#include "cli/run.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "cli/verify_options.h"
#include "cli/write_report.h"
#include "diagnosis/phrase.h"

namespace connleak::cli {

namespace {

using phrase::number;

// One line on the terminal, written over and over, and gone at the end.
class ProgressLine {
  public:
    ProgressLine() : shown_(::isatty(STDERR_FILENO) == 1) {}
    ~ProgressLine() {
        if (shown_) std::fputs("\r\033[K", stderr);
    }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(const ProofProgress& now) const {
        if (!shown_) return;
        fmt::print(stderr, "\r\033[Kprobing {} of {}: {} answered, {} reset, {} waited for",
                   number(now.taken_up), number(now.wanted), number(now.answered),
                   number(now.reset), number(now.waiting));
        std::fflush(stderr);
    }

  private:
    bool shown_;
};

int status_of(const ProofEnd& end) {
    if (end.interrupted) return found_something;
    if (end.decided == end.wanted) return made;
    return end.decided == 0 ? nothing_reported : found_something;
}

}  // namespace

int verify(const Words& words) {
    const auto options = parse_verify_options(words);
    if (!options) return stop(options.error());
    const auto run = Run::make(*options);
    if (!run) return stop(run.error());

    const auto subjects = choose_subjects((*run)->sample(), (*run)->report(), options->all);
    ProofEnd end;
    {
        const ProgressLine line;
        end = prove(**run, subjects, options->proof,
                    [&](const ProofProgress& now) { line.show(now); });
    }
    if (const auto written = write_report(**run, *options, options->connections); !written)
        return fail(nothing_reported, written.error());
    return status_of(end);
}

}  // namespace connleak::cli

#include "cli/report/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "diagnosis/model/phrase.h"

namespace connleak::cli {

namespace {

using phrase::number;

// One line on the terminal that is overwritten repeatedly and erased at the end.
class ProgressLine {
  public:
    ProgressLine() : shown_(::isatty(STDERR_FILENO) == 1) {}
    ~ProgressLine() {
        if (shown_) std::fputs("\r\033[K", stderr);
    }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(const collect::ProofProgress& now) const {
        if (!shown_) return;
        fmt::print(stderr, "\r\033[Kprobing {} of {}: {} answered, {} reset, {} waited for",
                   number(now.taken_up), number(now.wanted), number(now.answered),
                   number(now.reset), number(now.waiting));
        std::fflush(stderr);
    }

  private:
    bool shown_;
};

}  // namespace

collect::ProofEnd prove_shown(collect::Run& run, bool all, const collect::ProofOptions& options) {
    const auto subjects = choose_subjects(run.sample(), run.report(), all);
    const ProgressLine line;
    return collect::prove(run, subjects, options,
                          [&](const collect::ProofProgress& now) { line.show(now); });
}

}  // namespace connleak::cli

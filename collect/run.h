// One run from the reading to the conclusions: what the verbs that report or act on connections
// begin with.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "cli/options/options.h"
#include "cli/report/json.h"
#include "collect/kernel_witness.h"
#include "collect/session.h"
#include "diagnosis/model/report.h"

namespace connleak::cli {

class Run {
  public:
    // Asks for the password when it has to, reads everything and concludes. What is wrong: the exit
    // status and one line. `options` must outlive the run.
    static std::expected<std::unique_ptr<Run>, Stop> make(const Options& options);

    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    [[nodiscard]] Session& session() { return session_; }
    [[nodiscard]] const Sample& sample() const { return session_.sample(); }
    [[nodiscard]] const Report& report() const { return report_; }
    [[nodiscard]] Report& report() { return report_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    // With what the run has cost until now.
    [[nodiscard]] render::Head head() const;

  private:
    explicit Run(const Options& options);

    std::chrono::steady_clock::time_point begin_;
    render::Head head_;
    Session session_;
    Policy policy_;
    Report report_;
};

}  // namespace connleak::cli

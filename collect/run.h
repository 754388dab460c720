// One run, from reading to conclusions. The verbs that report or act on connections start with it.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "collect/kernel_witness.h"
#include "collect/namespaces.h"
#include "collect/request.h"
#include "diagnosis/model/report.h"
#include "diagnosis/model/run_facts.h"

namespace connleak::collect {

class Run {
  public:
    // Reads everything and draws the conclusions. `request` must outlive the run.
    static std::expected<std::unique_ptr<Run>, RunError> make(const Request& request,
                                                              const std::string& password);

    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    [[nodiscard]] Namespaces& namespaces() { return namespaces_; }
    [[nodiscard]] const Sample& sample() const { return sample_; }
    [[nodiscard]] Sample& sample() { return sample_; }
    // For asking the kernel and the servers of this run again.
    [[nodiscard]] KernelWitness witness() {
        return {namespaces_, sample_.namespaces, sample_.servers};
    }
    [[nodiscard]] const Report& report() const { return report_; }
    [[nodiscard]] Report& report() { return report_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    // Includes the cost of the run so far.
    [[nodiscard]] RunFacts facts() const;

  private:
    Run(const Request& request, std::chrono::steady_clock::time_point begin, Namespaces namespaces);

    std::chrono::steady_clock::time_point begin_;
    RunFacts facts_;
    Namespaces namespaces_;
    Sample sample_;
    Policy policy_;
    Report report_;
};

}  // namespace connleak::collect

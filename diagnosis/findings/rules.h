// Shared by the rules of findings.cpp and capacity.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diagnosis/findings/commands.h"
#include "diagnosis/model/report.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

using Found = std::optional<Finding>;

// One server of a report, as the rules see it.
struct Context {
    const Sample& sample;
    const Policy& policy;
    const Report& report;
    std::size_t index;
    const Server& server;
    const ServerFamily& family;
    Commands commands;

    [[nodiscard]] std::uint64_t verdicts(Verdict verdict) const {
        return report.counts[index].verdict[static_cast<std::size_t>(verdict)];
    }
};

inline Finding finding(const Context& context, std::string code, Severity severity,
                       std::uint64_t total) {
    Finding result;
    result.code = std::move(code);
    result.severity = severity;
    result.server = context.index;
    result.count = total;
    return result;
}

// Rules about limits: clients, descriptors, ports, PHP-FPM pools.
void find_shortages(const Context& context, std::vector<Finding>& findings);

}  // namespace connleak

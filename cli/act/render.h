// The output of `reap` and `protect`, planned or done, as text and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/report/json.h"
#include "diagnosis/actions/plan.h"

namespace connleak::render {

struct Acts {
    const Report& report;
    const Plan& plan;
    bool acted = false;  // with --yes
    bool interrupted = false;
    // For `protect`. The braces are for GCC 12, which warns if a designated initializer leaves out
    // a member without them.
    // NOLINTBEGIN(readability-redundant-member-init)
    std::vector<Coverage> coverage = {};
    std::vector<ServerSetting> settings = {};
    std::optional<std::int64_t> keepalive_s = {};  // --keepalive
    // NOLINTEND(readability-redundant-member-init)
};

std::string reap_table(const Sample& sample, const Acts& acts, bool color);
std::string protect_table(const Sample& sample, const Acts& acts, bool color);

// Schema: man/connleak-actions.schema.json.
void reap_json(const RunFacts& head, const Sample& sample, const Acts& acts, const Sink& sink);
void protect_json(const RunFacts& head, const Sample& sample, const Acts& acts, const Sink& sink);

}  // namespace connleak::render

// The words of `connleak check`.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"
#include "diagnosis/health/health.h"

namespace connleak::cli {

struct CheckOptions : Options {
    Rules rules;
    std::chrono::seconds timeout{10};  // for the whole run
    int verbosity = 0;
    bool quiet = false;
    bool version = false;
    std::string state;  // "" for none
};

// `words` without the program's name and the verb. A Stop has the statuses of the other verbs.
std::expected<CheckOptions, Stop> parse_check_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

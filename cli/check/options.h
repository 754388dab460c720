// The command line of `connleak check`.
#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "cli/options/options.h"
#include "cli/verbs.h"
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

// A Stop has the same exit statuses as in the other verbs.
std::expected<CheckOptions, Stop> parse_check_options(const Arguments& arguments);

}  // namespace connleak::cli

// The command line of `connleak what-if`.
#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "cli/options/options.h"
#include "cli/verbs.h"
#include "collect/probe/prove.h"

namespace connleak::cli {

struct WhatIfOptions : Options {
    std::vector<std::int64_t> timeouts_s;  // unique values, 1 s to ten years
    bool verify = false;
    collect::ProofOptions proof;
};

std::expected<WhatIfOptions, Stop> parse_what_if_options(const Arguments& arguments);

}  // namespace connleak::cli

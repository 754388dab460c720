// The words of `connleak verify`.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"
#include "collect/probe/prove.h"

namespace connleak::cli {

struct VerifyOptions : Options {
    bool connections = false;
    bool all = false;
    collect::ProofOptions proof;
};

// `words` without the program's name and the verb.
std::expected<VerifyOptions, Stop> parse_verify_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// The words of `connleak reap`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/options.h"
#include "collect/probe/prove.h"
#include "diagnosis/actions/plan.h"

namespace connleak::cli {

struct ReapOptions : Options {
    MethodChoice method = MethodChoice::automatic;
    std::optional<std::uint64_t> most;  // --max
    bool yes = false;
    bool verify = false;
    collect::ProofOptions proof;
};

std::expected<ReapOptions, Stop> parse_reap_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// The words of `connleak snapshot`.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"

namespace connleak::cli {

struct SnapshotOptions {
    std::vector<std::uint16_t> ports;  // either end; empty: every TCP socket
    std::string output;                // "" for stdout
    std::string netns = "all";
};

// `words` without the program's name and the verb.
std::expected<SnapshotOptions, Stop> parse_snapshot_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// The words of `connleak snapshot`.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"

namespace connleak::cli {

struct SnapshotOptions : collect::SnapshotRequest {
    std::string output;  // "" for stdout
};

// `words` without the program's name and the verb.
std::expected<SnapshotOptions, Stop> parse_snapshot_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// The words of `connleak scan`.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"

namespace connleak::cli {

struct ScanOptions : Options {
    bool connections = false;
    bool exit_code = false;
};

// `words` without the program's name and the verb.
std::expected<ScanOptions, Stop> parse_scan_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// The words of `connleak protect`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/options.h"

namespace connleak::cli {

struct ProtectOptions : Options {
    std::optional<std::int64_t> keepalive_s;  // --keepalive, 1 to 32767
    bool server = false;
    std::int64_t rate = 2'000;  // sockets a second
    bool yes = false;
};

std::expected<ProtectOptions, Stop> parse_protect_options(const std::vector<std::string>& words);

}  // namespace connleak::cli

// Times as a person writes them, in options and filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace connleak {

// "30", "30s", "5m", "2h", "1d": seconds. std::nullopt for anything else, and for a number of more
// than 32 bits.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace connleak

// Durations as users write them in options and filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace connleak {

// "30", "30s", "5m", "2h", "1d" in seconds. std::nullopt for anything else, and for a number above
// 32 bits.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace connleak

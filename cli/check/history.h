// The state file's document: what earlier runs of `check` counted, as JSON.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "diagnosis/health/growth.h"

namespace connleak::cli {

inline constexpr std::size_t largest_state = std::size_t{4} << 20;

std::string encode_history(const History& history);

// Nothing that is read is trusted: sizes and counts are bounded. The error says what is wrong, for
// a person, in words of our own. An empty text is an empty history.
std::expected<History, std::string> decode_history(std::string_view text);

}  // namespace connleak::cli

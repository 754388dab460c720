// The document in the state file: the counts of earlier `check` runs, as JSON.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "diagnosis/health/growth.h"

namespace connleak::cli {

inline constexpr std::size_t largest_state = std::size_t{4} << 20;

std::string encode_history(const History& history);

// The input is not trusted: sizes and counts are bounded. The error is a text for a person that
// quotes nothing from the input. An empty text is an empty history.
std::expected<History, std::string> decode_history(std::string_view text);

}  // namespace connleak::cli

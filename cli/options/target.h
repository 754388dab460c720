// TARGETs as the user writes them, decoded without touching the system.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "collect/request.h"

namespace connleak::cli {

// The error says what is wrong and what to write instead, in one line; it never holds a password.
std::expected<collect::Target, std::string> parse_target(std::string_view text);

}  // namespace connleak::cli

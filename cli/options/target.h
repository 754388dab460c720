// Parses TARGETs without any access to the system.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "collect/request.h"

namespace connleak::cli {

// The error is one line: the problem and a correct form; it never contains a password.
std::expected<collect::Target, std::string> parse_target(std::string_view text);

}  // namespace connleak::cli

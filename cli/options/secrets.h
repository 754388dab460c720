// Reads the password. It is never taken from the command line and never printed.
#pragma once

#include <expected>
#include <string>

#include "cli/options/options.h"

namespace connleak::cli {

// From --askpass, --pass-file or REDISCLI_AUTH, in this order; "" if there is none. The error is
// one line.
std::expected<std::string, std::string> find_password(const Options& options);

}  // namespace connleak::cli

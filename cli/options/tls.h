// The options of TLS, with redis-cli's names.
#pragma once

#include <optional>
#include <vector>

#include "cli/options/command.h"
#include "cli/options/options.h"
#include "cli/options/parser.h"

namespace connleak::cli {

std::vector<Option> tls_options();

// After the TARGETs are there: a rediss:// among them is TLS, too.
std::optional<Stop> take_tls(const Given& given, Options& options);

}  // namespace connleak::cli

// The TLS options, with redis-cli's names.
#pragma once

#include <optional>
#include <vector>

#include "cli/options/command.h"
#include "cli/options/options.h"
#include "cli/options/parser.h"

namespace connleak::cli {

std::vector<Option> tls_options();

// Call it when the TARGETs are parsed: a rediss:// TARGET turns TLS on as well.
std::optional<Stop> take_tls(const Given& given, Options& options);

}  // namespace connleak::cli

// Writes the report in the format and to the destination that the options name.
#pragma once

#include <expected>
#include <string>

#include "cli/options/options.h"
#include "collect/run.h"

namespace connleak::cli {

// `connections`: the table lists every connection. The error is one line.
std::expected<void, std::string> write_report(const collect::Run& run, const Options& options,
                                              bool connections);

}  // namespace connleak::cli

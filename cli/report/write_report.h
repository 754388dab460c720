// The report, in the format and to the place that the options name.
#pragma once

#include <expected>
#include <string>

#include "cli/options/options.h"
#include "collect/run.h"

namespace connleak::cli {

// `connections`: the table lists each of them. One line on failure.
std::expected<void, std::string> write_report(const collect::Run& run, const Options& options,
                                              bool connections);

}  // namespace connleak::cli

// Where a report goes: stdout, or a file that is written beside and renamed, so that a reader never
// meets half of it.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace connleak::cli {

// One line on failure. A closed pipe is none: whoever read has seen enough.
std::expected<void, std::string> write_output(const std::string& file, std::string_view text);

}  // namespace connleak::cli

// Where a report goes: stdout, or a file that is written beside and renamed, so that a reader never
// meets half of it.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "cli/options/options.h"
#include "system/descriptor.h"

namespace connleak::cli {

// A report that is written in pieces. Without finish() nothing of it is left in a file.
class Output {
  public:
    // "" is stdout. One line on failure, here and in finish().
    static std::expected<Output, std::string> open(const std::string& file);
    Output(Output&& other) noexcept = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    Output& operator=(Output&&) = delete;
    ~Output();

    // False when nothing more need be written: it failed, or whoever reads has seen enough.
    bool write(std::string_view text);
    // A closed pipe is no failure.
    std::expected<void, std::string> finish();

  private:
    Output(std::string file, std::string beside, Descriptor descriptor);
    [[nodiscard]] std::string wrong(int error) const;

    std::string file_;
    std::string beside_;     // the file that becomes `file_`; "" when it is written to as it is
    Descriptor descriptor_;  // none for stdout
    int error_ = 0;
};

// The same for one text.
std::expected<void, std::string> write_output(const std::string& file, std::string_view text);

// Whether what goes to `file` is painted: --color, NO_COLOR, and whether it is a terminal.
bool wants_color(When color, const std::string& file);

}  // namespace connleak::cli

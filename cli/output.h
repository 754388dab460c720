// The destination of a report: stdout, or a file that is replaced by renaming a temporary file, so
// that a reader never sees a partial report.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "cli/options/options.h"
#include "system/descriptor.h"

namespace connleak::cli {

// A report written in pieces. Without finish() the file is left unchanged.
class Output {
  public:
    // "" is stdout. The error is one line, here and in finish().
    static std::expected<Output, std::string> open(const std::string& file);
    Output(Output&& other) noexcept = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    Output& operator=(Output&&) = delete;
    ~Output();

    // False if nothing more needs to be written: an error occurred, or the reader closed the pipe.
    bool write(std::string_view text);
    // A closed pipe is not an error.
    std::expected<void, std::string> finish();

  private:
    Output(std::string file, std::string beside, Descriptor descriptor);
    [[nodiscard]] std::string wrong(int error) const;

    std::string file_;
    std::string beside_;  // temporary file that replaces `file_`; "" if `file_` is written directly
    Descriptor descriptor_;  // empty for stdout
    int error_ = 0;
};

// Writes a single text in the same way.
std::expected<void, std::string> write_output(const std::string& file, std::string_view text);

// Whether to colour the output to `file`: depends on --color, NO_COLOR, and whether it is a
// terminal.
bool wants_color(When color, const std::string& file);

}  // namespace connleak::cli

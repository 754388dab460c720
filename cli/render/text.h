// Text for a terminal: text from outside is always escaped, and widths are counted as the terminal
// shows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::render {

// The columns that printable text takes: 0 for a combining mark, 2 for a wide character (wcwidth(3)
// in the locale C.UTF-8, whatever the user's locale).
std::size_t width(std::string_view text);
// Truncates to at most `columns`, with "…" at the end if something was cut.
std::string fit(std::string_view text, std::size_t columns);

// Wraps words to `columns`; every line after the first is indented by `indent` blanks. A word wider
// than a line is broken.
std::string wrap(std::string_view text, std::size_t columns, std::size_t indent);

// A table whose columns are as wide as their widest cell. Cells hold printable text.
class Grid {
  public:
    enum class Align : std::uint8_t { left, right };
    explicit Grid(std::vector<Align> columns);
    void row(std::vector<std::string> cells);
    // The width at which lines() truncates nothing.
    [[nodiscard]] std::size_t natural_width() const;
    // Lines of at most `columns`. If they are too wide, the columns in `elastic` are narrowed
    // first, in that order, then the widest.
    [[nodiscard]] std::vector<std::string> lines(std::size_t columns,
                                                 std::initializer_list<std::size_t> elastic) const;

  private:
    [[nodiscard]] std::vector<std::size_t> widths() const;

    std::vector<Align> align_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace connleak::render

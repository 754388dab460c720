// Text for a terminal: nothing that came from outside reaches it unescaped, and widths are counted
// as the terminal shows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::render {

// Columns that printable text takes; a combining mark 0, a wide character 2 (wcwidth(3) in
// the locale C.UTF-8, whatever the user's is).
std::size_t width(std::string_view text);
// Cut to at most `columns`, with "…" at the end when something was cut.
std::string fit(std::string_view text, std::size_t columns);

// Words wrapped to `columns`; every line after the first begins with `indent` blanks. A word that
// is wider than a line is broken.
std::string wrap(std::string_view text, std::size_t columns, std::size_t indent);

// Columns aligned by their widest cell. Cells hold printable text.
class Grid {
  public:
    enum class Align : std::uint8_t { left, right };
    explicit Grid(std::vector<Align> columns);
    void row(std::vector<std::string> cells);
    // What lines() would need to cut nothing.
    [[nodiscard]] std::size_t natural_width() const;
    // Lines of at most `columns`; what is too wide is taken from the columns `elastic`, in that
    // order, and only then from the widest.
    [[nodiscard]] std::vector<std::string> lines(std::size_t columns,
                                                 std::initializer_list<std::size_t> elastic) const;

  private:
    [[nodiscard]] std::vector<std::size_t> widths() const;

    std::vector<Align> align_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace connleak::render

#include "cli/render/text.h"

#include <clocale>
#include <cwchar>

#include <algorithm>
#include <utility>

#include "diagnosis/model/printable.h"

namespace connleak::render {

namespace {

// The columns of one character.
std::size_t columns_of(char32_t code) {
    if (code < 0x7f) return 1;
    static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (unicode == nullptr) return 1;
    const locale_t before = ::uselocale(unicode);
    const int columns = ::wcwidth(static_cast<wchar_t>(code));
    ::uselocale(before);
    return columns < 0 ? 1 : static_cast<std::size_t>(columns);
}

}  // namespace

std::size_t width(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const Decoded character = decode(text);
        columns += character.bytes == 0 ? 1 : columns_of(character.code);
        text.remove_prefix(std::max<std::size_t>(character.bytes, 1));
    }
    return columns;
}

// The length in bytes of the longest prefix of `text` that takes at most `columns`.
static std::size_t bytes_in(std::string_view text, std::size_t columns) {
    std::size_t used = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const Decoded character = decode(text.substr(at));
        used += character.bytes == 0 ? 1 : columns_of(character.code);
        if (used > columns) break;
        at += std::max<std::size_t>(character.bytes, 1);
    }
    return at;
}

std::string fit(std::string_view text, std::size_t columns) {
    if (width(text) <= columns) return std::string(text);
    if (columns == 0) return "";
    return std::string(text.substr(0, bytes_in(text, columns - 1))) + "…";
}

std::string wrap(std::string_view text, std::size_t columns, std::size_t indent) {
    std::string result;
    std::size_t used = 0;
    bool first = true;  // of the line
    const auto next_line = [&] {
        result += '\n' + std::string(indent, ' ');
        used = indent;
        first = true;
    };
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        if (!first && used + 1 + width(word) > columns) next_line();
        if (!first) result += ' ', ++used;
        while (used + width(word) > columns) {
            const std::size_t part = bytes_in(word, columns > used ? columns - used : 0);
            if (part == 0) break;  // not even one character fits
            result += word.substr(0, part);
            word.remove_prefix(part);
            next_line();
        }
        result += word;
        used += width(word);
        first = false;
    }
    return result;
}

Grid::Grid(std::vector<Align> columns) : align_(std::move(columns)) {}

void Grid::row(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
}

namespace {
constexpr std::size_t gap = 2;
}

std::vector<std::size_t> Grid::widths() const {
    std::vector<std::size_t> widths(align_.size(), 0);
    for (const auto& row : rows_)
        for (std::size_t at = 0; at < row.size(); ++at)
            widths[at] = std::max(widths[at], width(row[at]));
    return widths;
}

std::size_t Grid::natural_width() const {
    std::size_t total = gap * (align_.size() - 1);
    for (const std::size_t each : widths()) total += each;
    return total;
}

std::vector<std::string> Grid::lines(std::size_t columns,
                                     std::initializer_list<std::size_t> elastic) const {
    constexpr std::size_t narrowest = 8;
    std::vector<std::size_t> widths = this->widths();
    const std::size_t natural = natural_width();
    std::size_t excess = natural > columns ? natural - columns : 0;
    for (const std::size_t at : elastic) {
        const std::size_t spare = widths[at] > narrowest ? widths[at] - narrowest : 0;
        widths[at] -= std::min(spare, excess);
        excess -= std::min(spare, excess);
    }
    for (; excess > 0; --excess) {
        const auto widest = std::ranges::max_element(widths);
        if (*widest <= 1) break;
        --*widest;
    }
    std::vector<std::string> result;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t at = 0; at < row.size(); ++at) {
            const std::string cell = fit(row[at], widths[at]);
            const std::string blanks(widths[at] - width(cell), ' ');
            if (at > 0) line.append(gap, ' ');
            line += align_[at] == Align::right ? blanks + cell : cell + blanks;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        result.push_back(std::move(line));
    }
    return result;
}

}  // namespace connleak::render

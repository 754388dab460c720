#include <algorithm>
#include <numeric>
#include <tuple>

#include "cli/render/paint.h"
#include "cli/sockets/render.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

namespace {

constexpr std::string_view gap = "  ";
constexpr std::size_t piece = std::size_t{64} * 1024;

// Nearly every cell is ASCII; printable ASCII is as wide as it is long.
std::size_t width_of(std::string_view text) {
    const bool ascii = std::ranges::all_of(
        text, [](char each) { return static_cast<unsigned char>(each) < 0x80; });
    return ascii ? text.size() : width(text);
}

class TableWriter {
  public:
    TableWriter(const SocketsView& view, std::span<const Column* const> columns, SocketsLook look,
                const Sink& sink)
        : view_(view), columns_(columns), look_(look), paint_(look.color), sink_(sink) {}

    void write(std::span<const SocketRow> rows) {
        measure(rows);
        if (look_.headings) heading();
        for (const SocketRow& row : rows) {
            line(row);
            if (text_.size() < piece) continue;
            if (!sink_(text_)) return;
            text_.clear();
        }
        sink_(text_);
    }

  private:
    std::string_view cell(const SocketRow& row, const Column& column) {
        cell_.clear();
        column.text(row, view_, cell_);
        return cell_.empty() ? column.absent : std::string_view(cell_);
    }

    // Nothing follows the last column, so a left-aligned one needs no width.
    [[nodiscard]] bool is_open_end(std::size_t at) const {
        return at + 1 == columns_.size() && columns_[at]->align == Grid::Align::left;
    }

    void measure(std::span<const SocketRow> rows) {
        widths_.assign(columns_.size(), 0);
        for (std::size_t at = 0; at < columns_.size(); ++at) {
            if (is_open_end(at)) continue;
            std::size_t widest = look_.headings ? columns_[at]->name.size() : 0;
            for (const SocketRow& row : rows)
                widest = std::max(widest, width_of(cell(row, *columns_[at])));
            widths_[at] = widest;
        }
    }

    void put(std::size_t at, std::string_view cell, std::string_view painted) {
        if (at > 0) text_ += gap;
        const std::size_t wide = width_of(cell);
        const std::size_t blanks = widths_[at] > wide ? widths_[at] - wide : 0;
        if (columns_[at]->align == Grid::Align::right) text_.append(blanks, ' ');
        text_ += painted;
        if (columns_[at]->align == Grid::Align::left) text_.append(blanks, ' ');
    }

    void end_line() {
        text_.erase(text_.find_last_not_of(' ') + 1);
        text_ += '\n';
    }

    void heading() {
        for (std::size_t at = 0; at < columns_.size(); ++at)
            put(at, columns_[at]->name, paint_.bold(columns_[at]->name));
        end_line();
    }

    void line(const SocketRow& row) {
        for (std::size_t at = 0; at < columns_.size(); ++at) {
            const std::string_view text = cell(row, *columns_[at]);
            if (look_.color && columns_[at]->name == "STATE" &&
                row.socket->state == State::close_wait)
                put(at, text, paint_.verdict(Verdict::close_wait, text));
            else
                put(at, text, text);
        }
        end_line();
    }

    const SocketsView& view_;
    std::span<const Column* const> columns_;
    SocketsLook look_;
    Paint paint_;
    const Sink& sink_;
    std::vector<std::size_t> widths_;
    std::string cell_;
    std::string text_;
};

std::string heading_of(cli::CountKey key) {
    std::string text(cli::to_string(key));
    for (char& letter : text) letter = static_cast<char>(letter - 'a' + 'A');
    return text;
}

std::string count_value(const std::string& value, cli::CountKey key) {
    if (value.empty()) return "-";
    if (key != cli::CountKey::state) return printable(value);
    for (auto number = static_cast<unsigned>(State::established);
         number <= static_cast<unsigned>(State::closing); ++number) {
        const auto state = static_cast<State>(number);
        if (to_string(state) == value) return std::string(ss_name(state));
    }
    return value;
}

}  // namespace

void sockets_table(std::span<const SocketRow> rows, const SocketsView& view,
                   std::span<const Column* const> columns, SocketsLook look, const Sink& sink) {
    TableWriter(view, columns, look, sink).write(rows);
}

void counts_table(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                  SocketsLook look, const Sink& sink) {
    std::vector<Grid::Align> align(keys.size(), Grid::Align::left);
    align.insert(align.end(), 3, Grid::Align::right);
    Grid grid(align);
    std::vector<std::string> cells;
    for (const cli::CountKey key : keys) cells.push_back(heading_of(key));
    for (const char* name : {"SOCKETS", "PERSISTENT", "OLDEST"}) cells.emplace_back(name);
    if (look.headings) grid.row(std::move(cells));
    for (const cli::Count& count : counts) {
        cells.clear();
        for (std::size_t at = 0; at < keys.size(); ++at)
            cells.push_back(count_value(count.values[at], keys[at]));
        cells.push_back(std::to_string(count.sockets));
        cells.push_back(std::to_string(count.persistent));
        cells.push_back(count.oldest_s ? phrase::duration(*count.oldest_s) : "-");
        grid.row(std::move(cells));
    }
    const Paint paint(look.color);
    std::string text;
    bool first = look.headings;
    for (const std::string& line : grid.lines(grid.natural_width(), {})) {
        text += first ? paint.bold(line) : line;
        text += '\n';
        first = false;
    }
    sink(text);
}

void sort_rows(std::vector<SocketRow>& rows, const SocketsView& view, const Column& column,
               bool descending) {
    struct Key {
        bool absent = false;
        std::uint64_t number = 0;
        std::string text;
    };
    std::vector<Key> keys(rows.size());
    for (std::size_t at = 0; at < rows.size(); ++at) {
        Key& key = keys[at];
        if (column.number != nullptr) {
            const auto number = column.number(rows[at], view);
            key.absent = !number;
            key.number = number.value_or(0);
        } else {
            (column.order != nullptr ? column.order : column.text)(rows[at], view, key.text);
            key.absent = key.text.empty();
        }
    }
    std::vector<std::size_t> places(rows.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::ranges::stable_sort(places, [&](std::size_t a, std::size_t b) {
        const Key& one = keys[a];
        const Key& other = keys[b];
        if (one.absent != other.absent) return other.absent;
        const auto order = std::tie(one.number, one.text) <=> std::tie(other.number, other.text);
        return descending ? order > 0 : order < 0;
    });
    std::vector<SocketRow> sorted;
    sorted.reserve(rows.size());
    for (const std::size_t at : places) sorted.push_back(rows[at]);
    rows = std::move(sorted);
}

}  // namespace connleak::render

// The filter language of `connleak sockets`: that of ss (ss(8), EXPRESSION), and predicates beside
// it that ss lacks. Parsed once, then asked for every socket; owners of sockets, which are dear to
// find, are asked for only where the answer hangs on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/filter/expression.h"
#include "diagnosis/model/records.h"

namespace connleak {

// What names mean, where the expression has names instead of numbers: a matter of files and of the
// network, so the caller's. A function that is not set knows no names.
// (`= {}` is spelled out for GCC 12, which warns where a designated initializer leaves it out.)
// NOLINTBEGIN(readability-redundant-member-init)
struct FilterNames {
    std::function<std::optional<std::uint16_t>(std::string_view)> service = {};  // of TCP
    std::function<std::vector<Address>(std::string_view)> host = {};
};

// Where an expression is wrong, in filter_text()'s bytes. `message` never quotes the expression.
struct FilterError {
    std::string message;
    std::size_t position = 0;
    std::size_t length = 0;  // 0: something is missing at the end
    friend bool operator==(const FilterError&, const FilterError&) = default;
};

// One socket, and what is known around it.
struct FilterSubject {
    const Socket& socket;
    // The processes that hold it; absent: not looked for yet. Without any an owner predicate does
    // not hold.
    std::optional<std::span<const Process* const>> owners = std::nullopt;
    std::string_view device = {};  // name of the device that it is bound to
    filter::PortRange local_ports = {};
};
// NOLINTEND(readability-redundant-member-init)

// In this order `and` is the least of two answers and `or` the greatest.
enum class FilterAnswer : std::uint8_t { no, needs_owners, yes };

struct Filter {
    // Of the `state` and `exclude` words before the expression.
    std::optional<std::uint32_t> states;
    std::optional<filter::Node> expression;

    [[nodiscard]] FilterAnswer test(const FilterSubject& subject) const;

    // Every state that a socket can have and pass, or more than these; bit 1 << State. Absent: the
    // filter names no state, and which ones are shown is for the options to say.
    [[nodiscard]] std::optional<std::uint32_t> possible_states() const;
    [[nodiscard]] bool asks_for_owners() const;
    [[nodiscard]] bool asks_for_info() const;  // tcp_info
};

// The words joined by blanks: what FilterError counts in.
std::string filter_text(std::span<const std::string> words);

// The words behind the options, as the shell has split them. A value that the shell has kept
// together (comm = 'a name') stays together; within one word quotes do that ('comm = "a name"').
std::expected<Filter, FilterError> parse_filter(std::span<const std::string> words,
                                                const FilterNames& names = {});

// Two lines, the expression (or the part of it around the error) and carets under what is wrong.
// `printable` makes text fit for the terminal, `width` counts its columns.
std::string show_filter_error(std::string_view text, const FilterError& error,
                              const std::function<std::string(std::string_view)>& printable,
                              const std::function<std::size_t(std::string_view)>& width);

}  // namespace connleak

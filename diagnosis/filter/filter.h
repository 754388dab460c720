// The filter language of `connleak sockets`: that of ss (ss(8), EXPRESSION) and additional
// predicates. An expression is parsed once and evaluated for every socket. Socket owners are
// expensive to find, so they are requested only where the result depends on them.
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

// Resolves names in an expression. The caller supplies these functions, because names need files
// and the network. An unset function knows no names. (`= {}` is needed for GCC 12, which otherwise
// warns about designated initializers that omit the field.)
// NOLINTBEGIN(readability-redundant-member-init)
struct FilterNames {
    std::function<std::optional<std::uint16_t>(std::string_view)> service = {};  // of TCP
    std::function<std::vector<Address>(std::string_view)> host = {};
};

// Where an expression is wrong, as byte positions in filter_text(). `message` never quotes the
// expression.
struct FilterError {
    std::string message;
    std::size_t position = 0;
    std::size_t length = 0;  // 0: something is missing at the end
    friend bool operator==(const FilterError&, const FilterError&) = default;
};

// One socket and its context.
struct FilterSubject {
    const Socket& socket;
    // The processes that hold it; absent: not looked up yet. If empty, owner predicates do not
    // match.
    std::optional<std::span<const Process* const>> owners = std::nullopt;
    std::string_view device = {};  // name of the device that it is bound to
    filter::PortRange local_ports = {};
};
// NOLINTEND(readability-redundant-member-init)

// Ordered so that `and` is the minimum of two answers and `or` the maximum.
enum class FilterAnswer : std::uint8_t { no, needs_owners, yes };

struct Filter {
    // From the `state` and `exclude` words before the expression.
    std::optional<std::uint32_t> states;
    std::optional<filter::Node> expression;

    [[nodiscard]] FilterAnswer test(const FilterSubject& subject) const;

    // A superset of the states of matching sockets; bit 1 << State. Absent: the filter names no
    // state, and the options decide which ones are shown.
    [[nodiscard]] std::optional<std::uint32_t> possible_states() const;
    [[nodiscard]] bool asks_for_owners() const;
    [[nodiscard]] bool asks_for_info() const;  // tcp_info
};

// The words joined by spaces. FilterError's positions refer to this text.
std::string filter_text(std::span<const std::string> words);

// The arguments after the options, as the shell split them. A value that is one argument (comm = 'a
// name') stays one value; inside an argument, quotes do the same ('comm = "a name"').
std::expected<Filter, FilterError> parse_filter(std::span<const std::string> words,
                                                const FilterNames& names = {});

// Two lines: the expression (or the part around the error), and carets below the error. `printable`
// makes text safe for the terminal, `width` counts its columns.
std::string show_filter_error(std::string_view text, const FilterError& error,
                              const std::function<std::string(std::string_view)>& printable,
                              const std::function<std::size_t(std::string_view)>& width);

}  // namespace connleak

// Thresholds as the Monitoring Plugins write them, "10", "10:", "~:10", "10:20", "@10:20", and
// numbers as their performance data has them.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace connleak {

// The values from `low` to `high`, both included. Alerts outside of them, with `inside` inside.
struct Range {
    std::optional<double> low;   // absent: no lower end ("~")
    std::optional<double> high;  // absent: no upper end
    bool inside = false;

    [[nodiscard]] bool alerts(double value) const;
    // In the shortest form that means the same: "10" for "0:10".
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Range&, const Range&) = default;
};

// The error says what is wrong, in words that follow on "the range '…' ".
std::expected<Range, std::string> parse_range(std::string_view text);

// "12", "99.5", "-3": a point in every locale, no exponent, nothing that is not needed.
std::string plain(double value);

}  // namespace connleak

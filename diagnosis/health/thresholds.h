// Thresholds in the syntax of the Monitoring Plugins, "10", "10:", "~:10", "10:20", "@10:20", and
// numbers in the syntax of their performance data.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace connleak {

// The values from `low` to `high`, inclusive. Alerts outside the range, with `inside` within it.
struct Range {
    std::optional<double> low;   // absent: no lower end ("~")
    std::optional<double> high;  // absent: no upper end
    bool inside = false;

    [[nodiscard]] bool alerts(double value) const;
    // The shortest equivalent form: "10" for "0:10".
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Range&, const Range&) = default;
};

// The error says what is wrong, worded to follow "the range '…' ".
std::expected<Range, std::string> parse_range(std::string_view text);

// "12", "99.5", "-3": always a decimal point, no exponent, no trailing zeros.
std::string plain(double value);

}  // namespace connleak

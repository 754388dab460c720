#include "diagnosis/health/thresholds.h"

#include <array>
#include <charconv>
#include <cmath>

namespace connleak {

namespace {

// Above this, a double cannot represent every whole number.
constexpr double greatest = 1e15;
constexpr std::string_view forms = "; write 10, 10:, ~:10, 10:20 or @10:20";

std::expected<double, std::string> number(std::string_view text) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    // from_chars() also accepts "inf" and "nan".
    const bool digits = text.find_first_not_of("0123456789.-") == std::string_view::npos;
    if (error != std::errc() || end != text.data() + text.size() || !digits)
        return std::unexpected("has an end that is no number" + std::string(forms));
    if (std::abs(value) > greatest) return std::unexpected("has an end that is too large");
    return value + 0.0;  // -0 becomes 0
}

}  // namespace

bool Range::alerts(double value) const {
    const bool within = (!low || value >= *low) && (!high || value <= *high);
    return within == inside;
}

std::string Range::text() const {
    std::string result = inside ? "@" : "";
    if (!low)
        result += "~:";
    else if (*low != 0 || !high)
        result += plain(*low) + ':';
    return high ? result + plain(*high) : result;
}

std::expected<Range, std::string> parse_range(std::string_view text) {
    Range range;
    range.inside = text.starts_with('@');
    if (range.inside) text.remove_prefix(1);
    const std::size_t colon = text.find(':');
    const bool two_ends = colon != std::string_view::npos;
    const std::string_view low = two_ends ? text.substr(0, colon) : "0";
    const std::string_view high = two_ends ? text.substr(colon + 1) : text;
    if (text.empty() || text == ":") return std::unexpected("is empty" + std::string(forms));
    range.low = 0;
    if (low == "~") {
        range.low.reset();
    } else if (!low.empty()) {
        const auto value = number(low);
        if (!value) return std::unexpected(value.error());
        range.low = *value;
    }
    if (!high.empty()) {
        const auto value = number(high);
        if (!value) return std::unexpected(value.error());
        range.high = *value;
    }
    if (range.low && range.high && *range.low > *range.high)
        return std::unexpected(std::string("begins above its end"));
    return range;
}

std::string plain(double value) {
    std::array<char, 400> buffer{};  // the longest text has 326 characters
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                            std::chars_format::fixed);
    return error == std::errc() ? std::string(buffer.data(), end) : std::string();
}

}  // namespace connleak

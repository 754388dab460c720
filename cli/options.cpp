#include "cli/options.h"

#include <charconv>

namespace connleak::cli {

std::optional<std::int64_t> parse_duration(std::string_view text) {
    constexpr std::int64_t ten_years = 10LL * 366 * 86400;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data() || value < 0 || value > ten_years)
        return std::nullopt;
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    std::int64_t factor = 0;
    if (unit.empty() || unit == "s") factor = 1;
    if (unit == "m") factor = 60;
    if (unit == "h") factor = 3600;
    if (unit == "d") factor = 86400;
    if (factor == 0 || value > ten_years / factor) return std::nullopt;
    return value * factor;
}

}  // namespace connleak::cli

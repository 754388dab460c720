#include "diagnosis/model/duration.h"

#include <charconv>
#include <cstddef>

namespace connleak {

std::optional<std::int64_t> parse_duration(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (unit.empty() || unit == "s") return value;
    if (unit == "m") return std::int64_t{value} * 60;
    if (unit == "h") return std::int64_t{value} * 3600;
    if (unit == "d") return std::int64_t{value} * 86400;
    return std::nullopt;
}

}  // namespace connleak

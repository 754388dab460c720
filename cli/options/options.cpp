#include "cli/options/options.h"

#include "diagnosis/model/duration.h"

namespace connleak::cli {

std::optional<std::int64_t> parse_duration(std::string_view text) {
    constexpr std::int64_t ten_years = 10LL * 366 * 86400;
    const auto seconds = connleak::parse_duration(text);
    return seconds && *seconds <= ten_years ? seconds : std::nullopt;
}

}  // namespace connleak::cli

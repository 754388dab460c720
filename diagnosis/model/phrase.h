// Numbers, durations and plurals for people. Findings and tables use the same forms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace connleak::phrase {

std::string number(std::uint64_t value);  // "8,912"
// The two largest units: "3d 4h", "5m 2s", "12s", "0s". Negative counts as 0.
std::string duration(std::int64_t seconds);
// The largest unit only, for narrow columns: "3d", "5m".
std::string short_duration(std::int64_t seconds);
// "1 ghost", "8,912 ghosts". `many` is the plural where adding an s is not enough.
std::string count(std::uint64_t value, std::string_view one, std::string_view many = "");

}  // namespace connleak::phrase

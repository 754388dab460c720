#include "diagnosis/model/phrase.h"

#include <algorithm>
#include <array>

namespace connleak::phrase {

namespace {

struct Unit {
    std::int64_t seconds;
    char letter;
};
constexpr std::array units{Unit{86400, 'd'}, Unit{3600, 'h'}, Unit{60, 'm'}, Unit{1, 's'}};

std::string span(std::int64_t seconds, int parts) {
    seconds = std::max<std::int64_t>(seconds, 0);
    std::string text;
    for (const Unit& unit : units) {
        const std::int64_t whole = seconds / unit.seconds;
        if (whole == 0) {
            if (!text.empty()) break;  // "1d", not "1d 5s": only adjacent units are shown
            continue;
        }
        if (!text.empty()) text += ' ';
        text += std::to_string(whole) + unit.letter;
        seconds %= unit.seconds;
        if (--parts == 0) break;
    }
    return text.empty() ? "0s" : text;
}

}  // namespace

std::string number(std::uint64_t value) {
    std::string text = std::to_string(value);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

std::string duration(std::int64_t seconds) {
    return span(seconds, 2);
}

std::string short_duration(std::int64_t seconds) {
    return span(seconds, 1);
}

std::string count(std::uint64_t value, std::string_view one, std::string_view many) {
    std::string text = number(value) + ' ';
    if (value == 1) return text.append(one);
    return many.empty() ? text.append(one) + 's' : text.append(many);
}

}  // namespace connleak::phrase

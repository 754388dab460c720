// Bytes from outside, made fit to be shown. Names, command lines and texts of servers can hold
// anything: nothing of it reaches a terminal or a message unescaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace connleak {

// One line of valid UTF-8 without control characters: ESC becomes \x1b, a newline \n, a broken byte
// \xff, also the C1 controls and the marks that turn the direction of writing (U+202E and its kin).
std::string printable(std::string_view text);

struct Decoded {
    char32_t code = 0;
    std::size_t bytes = 0;  // 0: not valid UTF-8
};
// The first character of `text`, which is not empty (RFC 3629).
Decoded decode(std::string_view text);

}  // namespace connleak

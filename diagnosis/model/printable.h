// Makes bytes from outside safe to show. Names, command lines and server texts can contain
// anything; they must not reach a terminal or a message unescaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace connleak {

// One line of valid UTF-8 without control characters. ESC becomes \x1b, a newline \n, an invalid
// byte \xff. C1 controls and bidirectional controls (U+202E and similar) are escaped too.
std::string printable(std::string_view text);

struct Decoded {
    char32_t code = 0;
    std::size_t bytes = 0;  // 0: not valid UTF-8
};
// The first character of `text` (RFC 3629). `text` must not be empty.
Decoded decode(std::string_view text);

}  // namespace connleak

#include "probes/error_text.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace connleak::probes {

namespace {

constexpr std::size_t longest_line = 200;

}  // namespace

void hide(std::string& text, std::string_view password) {
    if (password.empty()) return;
    constexpr std::string_view hidden = "(hidden)";
    for (std::size_t at = text.find(password); at != std::string::npos;
         at = text.find(password, at + hidden.size()))
        text.replace(at, password.size(), hidden);
}

// Since Redis 5 the answer to an unknown command repeats its arguments; if AUTH was renamed, they
// contain the password.
std::string server_line(std::string_view text, std::string_view password) {
    text = text.substr(0, text.find_first_of("\r\n"));
    text = text.substr(0, text.find(", with args beginning with"));
    std::string line(text);
    hide(line, password);
    if (line.size() > longest_line) line.resize(longest_line);
    std::replace_if(
        line.begin(), line.end(),
        [](char letter) { return (letter >= 0 && letter < ' ') || letter == '\x7f'; }, '?');
    return line;
}

void wipe(std::string& text) {
    text.resize(text.capacity());
    explicit_bzero(text.data(), text.size());
    text.clear();
}

}  // namespace connleak::probes

#include "diagnosis/model/printable.h"

#include <algorithm>

namespace connleak {

namespace {

// Invisible characters and those that change how others are displayed: not allowed in a report.
bool deceptive(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) ||
           (code >= 0xe0000 && code <= 0xe0fff);
}

void append_hex(std::string& text, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += "\\x";
    text += digits[byte >> 4U];
    text += digits[byte & 0xfU];
}

}  // namespace

Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
    char32_t code = lead & (0xffU >> (length + 1));
    for (std::size_t at = 1; at < length; ++at) {
        if ((byte(at) & 0xc0U) != 0x80U) return {};
        code = code << 6U | (byte(at) & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
    return {code, length};
}

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const Decoded character = decode(text);
        const std::size_t bytes = std::max<std::size_t>(character.bytes, 1);
        if (character.bytes != 0 && !deceptive(character.code)) {
            result.append(text.substr(0, bytes));
        } else if (text.front() == '\n') {
            result += "\\n";
        } else {
            for (const char byte : text.substr(0, bytes))
                append_hex(result, static_cast<unsigned char>(byte));
        }
        text.remove_prefix(bytes);
    }
    return result;
}

}  // namespace connleak

// Netlink messages made by hand, for the tests of decoders.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace connleak::netlink::bytes {

using Buffer = std::vector<std::uint8_t>;

template <typename T>
Buffer as_bytes(const T& value) {
    Buffer bytes(sizeof(value));
    std::memcpy(bytes.data(), &value, sizeof(value));
    return bytes;
}

inline Buffer text_bytes(std::string_view text) {
    Buffer bytes(text.begin(), text.end());
    bytes.push_back(0);
    return bytes;
}

inline Buffer joined(std::initializer_list<Buffer> parts) {
    Buffer whole;
    for (const Buffer& part : parts) whole.insert(whole.end(), part.begin(), part.end());
    return whole;
}

inline Buffer attribute(unsigned type, const Buffer& value) {
    Buffer bytes = joined({as_bytes(static_cast<std::uint16_t>(4 + value.size())),
                           as_bytes(static_cast<std::uint16_t>(type)), value});
    bytes.resize((bytes.size() + 3) / 4 * 4);
    return bytes;
}

}  // namespace connleak::netlink::bytes

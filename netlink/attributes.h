// Parses the attributes of a netlink message from untrusted bytes: every length is checked against
// the available bytes, and nothing is read through an unaligned pointer. Format: struct nlattr in
// linux/netlink.h, length and type in host byte order, padded to four bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

namespace connleak::netlink {

using Bytes = std::span<const std::uint8_t>;

struct Attribute {
    std::uint16_t type = 0;  // without the nested and byte order flags
    Bytes value;
};

// Removes the first attribute from `bytes`. std::nullopt at the end, and when the rest is not an
// attribute: the rest is then lost, because the next attribute cannot be located.
inline std::optional<Attribute> next_attribute(Bytes& bytes) {
    constexpr std::size_t header = 4;
    constexpr std::uint16_t type_mask = 0x3fff;
    if (bytes.size() < header) return std::nullopt;
    std::uint16_t length = 0;
    std::uint16_t type = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    std::memcpy(&type, bytes.data() + sizeof(length), sizeof(type));
    if (length < header || length > bytes.size()) return std::nullopt;
    const Bytes value = bytes.subspan(header, length - header);
    const std::size_t padded = (std::size_t{length} + 3U) & ~std::size_t{3U};
    bytes = bytes.subspan(std::min(padded, bytes.size()));
    return Attribute{static_cast<std::uint16_t>(type & type_mask), value};
}

// Calls `visit(type, value)` for each attribute.
template <typename Visit>
void for_each_attribute(Bytes bytes, Visit&& visit) {
    while (const auto attribute = next_attribute(bytes)) visit(attribute->type, attribute->value);
}

// The first attribute of a type; an empty span when there is none.
inline Bytes find_attribute(Bytes bytes, std::uint16_t type) {
    while (const auto attribute = next_attribute(bytes))
        if (attribute->type == type) return attribute->value;
    return {};
}

// A number or kernel structure from the start of `bytes`. Missing bytes are zero: the structure is
// truncated, or an older kernel sends a shorter form.
template <typename T>
T load(Bytes bytes) {
    T value{};
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
    return value;
}

// The bytes after a fixed header of `size` bytes (a multiple of four in all messages used here).
inline Bytes after_header(Bytes payload, std::size_t size) {
    return payload.size() < size ? Bytes() : payload.subspan(size);
}

// A text attribute, with or without a terminating NUL.
inline std::string load_text(Bytes bytes) {
    const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
    return {bytes.begin(), end};
}

}  // namespace connleak::netlink

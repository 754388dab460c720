#include "diagnosis/model/server_client.h"

#include <algorithm>

namespace connleak {

namespace {

// Layout of a field: size of the name (1 byte), size of the value (2 bytes), name, value.
constexpr std::size_t head = 3;
constexpr std::size_t longest_name = 0xff;
constexpr std::size_t no_value = 0xffff;
constexpr std::size_t longest_value = no_value - 1;

}  // namespace

NativeFields::Field NativeFields::field_at(std::size_t at) const {
    const auto byte = [&](std::size_t offset) {
        return static_cast<std::size_t>(static_cast<unsigned char>(packed_[at + offset]));
    };
    const std::size_t name_size = byte(0);
    const std::size_t value_size = byte(1) | byte(2) << 8U;
    const std::string_view text = std::string_view(packed_).substr(at + head);
    Field field{.name = text.substr(0, name_size), .value = {}, .end = at + head + name_size};
    if (value_size == no_value) return field;
    field.value = text.substr(name_size, value_size);
    field.end += value_size;
    return field;
}

void NativeFields::add(std::string_view name, Value value) {
    name = name.substr(0, longest_name);
    for (std::size_t at = 0; at < packed_.size();) {
        const Field field = field_at(at);
        if (field.name == name) {
            packed_.erase(at, field.end - at);
            break;
        }
        at = field.end;
    }
    const std::size_t value_size = value ? std::min(value->size(), longest_value) : no_value;
    packed_ += static_cast<char>(name.size());
    packed_ += static_cast<char>(value_size & 0xffU);
    packed_ += static_cast<char>(value_size >> 8U);
    packed_ += name;
    if (value) packed_ += value->substr(0, longest_value);
}

NativeFields::Value NativeFields::find(std::string_view name) const {
    Value found;
    each([&](std::string_view each, Value value) {
        if (each == name) found = value;
    });
    return found;
}

}  // namespace connleak

#include "cli/render/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace connleak::render {

namespace {

constexpr std::string_view null = "null";

std::string library_text(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Most texts are written unchanged; the library handles the others.
bool is_plain(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

void write_quoted(std::string& out, std::string_view text) {
    if (!is_plain(text)) {
        out += library_text(text);
        return;
    }
    out += '"';
    out += text;
    out += '"';
}

template <typename T>
std::string number_text(T value) {
    std::array<char, std::numeric_limits<T>::digits10 + 3> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), end};
}

}  // namespace

Json::Json(std::nullptr_t) : text_(null) {}
Json::Json(Kind kind) : kind_(kind) {}

Json::Json(Literal literal) : text_(literal.text) {}
Json::Json(Signed value) : text_(number_text(static_cast<std::int64_t>(value))) {}
Json::Json(Unsigned value) : text_(number_text(static_cast<std::uint64_t>(value))) {}
Json::Json(double value) : text_(library_text(value)) {}

Json::Json(std::string_view text) {
    write_quoted(text_, text);
}
Json::Json(const std::string& text) : Json(std::string_view(text)) {}
Json::Json(const char* text) : Json(std::string_view(text)) {}

Json::Json(std::initializer_list<Member> members) : kind_(Kind::object) {
    members_.reserve(members.size());
    for (const Member& each : members) members_.emplace_back(each.name, std::move(each.value));
}

Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json::Member::Member(std::string_view its_name, Json its_value)
    : name(its_name), value(std::move(its_value)) {}

Json Json::object() {
    return Json(Kind::object);
}

Json Json::array() {
    return Json(Kind::array);
}

void Json::push_back(Json value) {
    members_.emplace_back(std::string_view(), std::move(value));
}

void Json::add(std::string_view name, Json value) {
    if (members_.empty()) members_.reserve(32);
    members_.emplace_back(name, std::move(value));
}

Json& Json::operator[](std::string_view name) {
    const auto found = std::ranges::find(members_, name, &Member::name);
    if (found != members_.end()) return found->value;
    members_.emplace_back(name, nullptr);
    return members_.back().value;
}

void Json::write(std::string& out) const {
    if (kind_ == Kind::scalar) {
        out += text_;
        return;
    }
    out += kind_ == Kind::object ? '{' : '[';
    bool first = true;
    for (const Member& each : members_) {
        if (!std::exchange(first, false)) out += ',';
        if (kind_ == Kind::object) {
            write_quoted(out, each.name);
            out += ':';
        }
        each.value.write(out);
    }
    out += kind_ == Kind::object ? '}' : ']';
}

std::string valid_utf8(std::string_view text) {
    if (is_plain(text)) return std::string(text);
    return nlohmann::json::parse(library_text(text)).get<std::string>();
}

}  // namespace connleak::render

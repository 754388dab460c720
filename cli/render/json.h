// A JSON value for output; all documents of this program are built from it. nlohmann's class would
// do, but adds ten seconds of compile time to each unit that uses it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace connleak::render {

class Json {
  public:
    struct Member;

    // NOLINTBEGIN(google-explicit-constructor,hicpp-explicit-conversions): so that a document is
    // written down as it looks.
    Json(std::nullptr_t = nullptr);
    template <std::same_as<bool> T>
    Json(T value) : Json(Literal{value ? "true" : "false"}) {}
    template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>) Json(T value)
        : Json(static_cast<std::conditional_t<std::is_signed_v<T>, Signed, Unsigned>>(value)) {}
    Json(double value);
    Json(std::string_view text);
    Json(const std::string& text);
    Json(const char* text);
    // An object with these names, in this order; each name at most once.
    Json(std::initializer_list<Member> members);
    // NOLINTEND(google-explicit-constructor,hicpp-explicit-conversions)

    // Not inline: the compiler would generate it for each of thirty members of a row.
    Json(const Json& other);
    Json(Json&& other) noexcept;
    Json& operator=(const Json& other);
    Json& operator=(Json&& other) noexcept;
    ~Json();

    static Json object();
    static Json array();

    // Appends to an array.
    void push_back(Json value);
    // Adds a new name to an object.
    void add(std::string_view name, Json value);
    // A member of an object; null if it did not exist.
    Json& operator[](std::string_view name);

    // On one line. Always valid UTF-8: invalid bytes become U+FFFD.
    void write(std::string& out) const;

  private:
    enum class Kind : std::uint8_t { scalar, array, object };
    enum class Signed : std::int64_t {};
    enum class Unsigned : std::uint64_t {};
    struct Literal {
        std::string_view text;
    };

    // Not inline: Member is not complete here, and its vector is destroyed where this one fails.
    explicit Json(Kind kind);
    explicit Json(Literal literal);
    explicit Json(Signed value);
    explicit Json(Unsigned value);

    Kind kind_ = Kind::scalar;
    std::string text_;             // of a scalar, in its JSON form
    std::vector<Member> members_;  // of an array: without names
};

struct Json::Member {
    Member(std::string_view its_name, Json its_value);

    std::string name;
    mutable Json
        value;  // mutable because an initializer_list is const, and values are moved out of it
};

// A text of arbitrary bytes as JSON shows it: invalid ones become U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace connleak::render

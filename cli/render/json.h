// A JSON value to be written: this program's documents are made of these. nlohmann's would do, but
// a unit that builds one takes the compiler ten seconds more.
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
    // An object, with the names as they stand here: each at most once.
    Json(std::initializer_list<Member> members);
    // NOLINTEND(google-explicit-constructor,hicpp-explicit-conversions)

    // Not inline: a row of thirty members would have the compiler write each of them out.
    Json(const Json& other);
    Json(Json&& other) noexcept;
    Json& operator=(const Json& other);
    Json& operator=(Json&& other) noexcept;
    ~Json();

    static Json object();
    static Json array();

    // To an array.
    void push_back(Json value);
    // To an object: a name that it does not have yet.
    void add(std::string_view name, Json value);
    // Of an object; null when it was not there.
    Json& operator[](std::string_view name);

    // In one line. Always valid UTF-8: broken bytes become U+FFFD.
    void write(std::string& out) const;

  private:
    enum class Kind : std::uint8_t { scalar, array, object };
    enum class Signed : std::int64_t {};
    enum class Unsigned : std::uint64_t {};
    struct Literal {
        std::string_view text;
    };

    explicit Json(Kind kind) : kind_(kind) {}
    explicit Json(Literal literal);
    explicit Json(Signed value);
    explicit Json(Unsigned value);

    Kind kind_ = Kind::scalar;
    std::string text_;             // of a scalar, as it is written
    std::vector<Member> members_;  // of an array without names
};

struct Json::Member {
    Member(std::string_view its_name, Json its_value);

    std::string name;
    mutable Json value;  // an initializer_list is const, and its values are moved out of it
};

// What JSON shows for a text that may be any bytes: broken ones become U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace connleak::render

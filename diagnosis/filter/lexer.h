// Splits a filter expression into operators and words. ss requires spaces around everything; here
// `(sport=:22)` reads as `( sport = :22 )`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::filter {

enum class TokenKind : std::uint8_t { end, word, operator_, open, close, negation, and_, or_ };

enum class Operator : std::uint8_t {
    equal,
    not_equal,
    less,
    greater,
    at_most,
    at_least,
    contains,
    contains_not,
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::size_t begin = 0;  // in text()
    std::size_t end = 0;
    Operator op = Operator::equal;
};

class Lexer {
  public:
    explicit Lexer(std::span<const std::string> words);

    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] Token peek() const;
    Token next();

    struct Failure {
        std::string message;
        Token at;
    };
    // A name that can contain anything: quoted, or a shell argument that contains spaces or is
    // empty, or else everything up to the next space, `&`, `|` or parenthesis not opened within it.
    std::expected<std::string, Failure> free_text();

  private:
    struct Extent {
        std::size_t begin = 0;
        std::size_t end = 0;
    };

    std::expected<std::string, Failure> quoted(std::size_t begin);
    std::expected<std::string, Failure> unquoted(std::size_t begin);

    std::string text_;
    std::vector<Extent> words_;  // the shell's arguments, as positions in text_
    std::size_t cursor_ = 0;
};

}  // namespace connleak::filter

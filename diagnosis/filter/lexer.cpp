#include "diagnosis/filter/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "diagnosis/filter/filter.h"
#include "diagnosis/model/printable.h"

namespace connleak {

namespace filter {

namespace {

struct Named {
    std::string_view text;
    TokenKind kind;
    Operator op = Operator::equal;
};

// Of two operators with a common prefix, the longer one comes first.
constexpr std::array operators{
    Named{"!=", TokenKind::operator_, Operator::not_equal},
    Named{"!~", TokenKind::operator_, Operator::contains_not},
    Named{"!", TokenKind::negation},
    Named{"==", TokenKind::operator_, Operator::equal},
    Named{"=", TokenKind::operator_, Operator::equal},
    Named{"<=", TokenKind::operator_, Operator::at_most},
    Named{"<", TokenKind::operator_, Operator::less},
    Named{">=", TokenKind::operator_, Operator::at_least},
    Named{">", TokenKind::operator_, Operator::greater},
    Named{"~", TokenKind::operator_, Operator::contains},
    Named{"(", TokenKind::open},
    Named{")", TokenKind::close},
    Named{"&&", TokenKind::and_},
    Named{"&", TokenKind::and_},
    Named{"||", TokenKind::or_},
    Named{"|", TokenKind::or_},
};

constexpr std::array spellings{
    Named{"not", TokenKind::negation},
    Named{"and", TokenKind::and_},
    Named{"or", TokenKind::or_},
    Named{"eq", TokenKind::operator_, Operator::equal},
    Named{"ne", TokenKind::operator_, Operator::not_equal},
    Named{"neq", TokenKind::operator_, Operator::not_equal},
    Named{"lt", TokenKind::operator_, Operator::less},
    Named{"gt", TokenKind::operator_, Operator::greater},
    Named{"le", TokenKind::operator_, Operator::at_most},
    Named{"leq", TokenKind::operator_, Operator::at_most},
    Named{"ge", TokenKind::operator_, Operator::at_least},
    Named{"geq", TokenKind::operator_, Operator::at_least},
};

constexpr std::string_view blanks = " \t\n";
constexpr std::string_view signs_and_blanks = "!=<>~()&| \t\n";

bool is_blank(char letter) {
    return blanks.find(letter) != std::string_view::npos;
}

}  // namespace

Lexer::Lexer(std::span<const std::string> words) : text_(filter_text(words)) {
    words_.reserve(words.size());
    std::size_t begin = 0;
    for (const std::string& word : words) {
        words_.push_back({begin, begin + word.size()});
        begin += word.size() + 1;
    }
}

Token Lexer::peek() const {
    const std::string_view text = text_;
    const std::size_t begin = text.find_first_not_of(blanks, cursor_);
    if (begin == std::string_view::npos) return {TokenKind::end, text.size(), text.size()};
    std::string_view rest = text.substr(begin);
    // ss accepts a backslash before anything, and the shell may not have removed it.
    const std::size_t escape = rest.starts_with('\\') ? 1 : 0;
    for (const Named& op : operators)
        if (rest.substr(escape).starts_with(op.text))
            return {op.kind, begin, begin + escape + op.text.size(), op.op};
    rest = rest.substr(0, rest.find_first_of(signs_and_blanks));
    if (rest.size() > 1 && rest.ends_with('\\')) rest.remove_suffix(1);
    for (const Named& name : spellings)
        if (rest == name.text) return {name.kind, begin, begin + rest.size(), name.op};
    return {TokenKind::word, begin, begin + rest.size()};
}

Token Lexer::next() {
    const Token token = peek();
    cursor_ = token.end;
    return token;
}

std::expected<std::string, Lexer::Failure> Lexer::free_text() {
    const std::size_t begin = std::min(text_.find_first_not_of(blanks, cursor_), text_.size());
    // A shell argument that begins at or after the cursor, up to `begin`, is empty, is the value,
    // or begins with it.
    const auto word =
        std::lower_bound(words_.begin(), words_.end(), cursor_,
                         [](const Extent& extent, std::size_t at) { return extent.begin < at; });
    if (word != words_.end() && word->begin <= begin) {
        const std::string_view whole =
            std::string_view(text_).substr(word->begin, word->end - word->begin);
        const bool quotes = whole.starts_with('"') || whole.starts_with('\'');
        if (!quotes && (whole.empty() || whole.find_first_of(blanks) != std::string_view::npos)) {
            cursor_ = word->end;
            return std::string(whole);
        }
    }
    if (begin < text_.size() && (text_[begin] == '"' || text_[begin] == '\'')) return quoted(begin);
    return unquoted(begin);
}

std::expected<std::string, Lexer::Failure> Lexer::quoted(std::size_t begin) {
    std::string value;
    for (std::size_t at = begin + 1; at < text_.size(); ++at) {
        if (text_[at] == text_[begin]) {
            cursor_ = at + 1;
            return value;
        }
        if (text_[at] == '\\' && at + 1 < text_.size()) ++at;
        value += text_[at];
    }
    return std::unexpected(
        Failure{"this quote is not closed", {TokenKind::word, begin, begin + 1}});
}

std::expected<std::string, Lexer::Failure> Lexer::unquoted(std::size_t begin) {
    std::string value;
    std::size_t opened = 0;
    std::size_t at = begin;
    for (; at < text_.size(); ++at) {
        const char letter = text_[at];
        if (is_blank(letter) || letter == '&' || letter == '|') break;
        if (letter == ')' && opened-- == 0) break;
        if (letter == '(') ++opened;
        if (letter == '\\' && at + 1 < text_.size()) ++at;
        value += text_[at];
    }
    const bool keyword = std::any_of(spellings.begin(), spellings.end(), [&](const Named& name) {
        return name.kind != TokenKind::operator_ && name.text == value;
    });
    if (value.empty() || keyword)
        return std::unexpected(Failure{keyword
                                           ? "a value is missing here; quote the word if it is one"
                                           : "a value is missing here",
                                       {TokenKind::word, begin, at}});
    cursor_ = at;
    return value;
}

}  // namespace filter

std::string filter_text(std::span<const std::string> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += ' ';
        text += words[i];
    }
    return text;
}

std::string show_filter_error(std::string_view text, const FilterError& error,
                              const std::function<std::string(std::string_view)>& printable,
                              const std::function<std::size_t(std::string_view)>& width) {
    constexpr std::size_t most_before = 60;
    constexpr std::size_t most_after = 40;
    const auto in_character = [&](std::size_t at) {
        return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80;
    };
    const std::size_t position = std::min(error.position, text.size());
    std::size_t begin = position - std::min(position, most_before);
    while (begin > 0 && in_character(begin)) --begin;
    std::size_t wrong_end = position + std::min({error.length, text.size() - position, most_after});
    while (in_character(wrong_end)) ++wrong_end;
    std::size_t end = std::min(text.size(), wrong_end + most_after);
    while (in_character(end)) ++end;

    const std::string before =
        (begin > 0 ? "..." : "") + printable(text.substr(begin, position - begin));
    const std::string wrong = printable(text.substr(position, wrong_end - position));
    const std::string after = printable(text.substr(wrong_end, end - wrong_end));
    std::string shown = before + wrong + after + (end < text.size() ? "..." : "") + '\n';
    shown += std::string(width(before), ' ');
    shown += std::string(std::max<std::size_t>(1, width(wrong)), '^') + '\n';
    return shown;
}

}  // namespace connleak

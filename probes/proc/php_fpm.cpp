#include "probes/proc/php_fpm.h"

#include <charconv>
#include <cstddef>
#include <utility>

namespace connleak::probes {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\v\f";
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// The text between quotes if it begins with one, else everything before a comment.
std::string_view value_of(std::string_view text) {
    text = trimmed(text);
    if (text.starts_with('"') || text.starts_with('\'')) {
        const std::size_t end = text.find(text.front(), 1);
        if (end != std::string_view::npos) return text.substr(1, end - 1);
    }
    return trimmed(text.substr(0, text.find(';')));
}

std::optional<std::uint32_t> number_of(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<FpmStatement> statement_of(std::string_view line) {
    using Kind = FpmStatement::Kind;
    line = trimmed(line);
    if (line.empty() || line.starts_with(';') || line.starts_with('#')) return std::nullopt;
    if (line.starts_with('[')) {
        const std::size_t end = line.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        return FpmStatement{Kind::section, std::string(value_of(line.substr(1, end - 1))), {}};
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = value_of(line.substr(equals + 1));
    if (key == "include") return FpmStatement{Kind::include, std::string(value), {}};
    if (key == "pm.max_children") {
        return FpmStatement{Kind::max_children, std::string(value), number_of(value)};
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> fpm_pool_of_title(std::string_view title) {
    constexpr std::string_view prefix = "php-fpm: pool ";
    if (!title.starts_with(prefix) || title.size() == prefix.size()) return std::nullopt;
    return std::string(title.substr(prefix.size()));
}

std::optional<std::string> fpm_configuration_of_title(std::string_view title) {
    constexpr std::string_view prefix = "php-fpm: master process (";
    if (!title.starts_with(prefix) || !title.ends_with(')')) return std::nullopt;
    title.remove_prefix(prefix.size());
    title.remove_suffix(1);
    if (title.empty()) return std::nullopt;
    return std::string(title);
}

std::vector<FpmStatement> parse_fpm_file(std::string_view text) {
    std::vector<FpmStatement> statements;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (auto statement = statement_of(text.substr(0, end))) {
            statements.push_back(std::move(*statement));
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return statements;
}

}  // namespace connleak::probes

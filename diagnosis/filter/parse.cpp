#include <algorithm>
#include <array>
#include <utility>

#include "diagnosis/filter/filter.h"
#include "diagnosis/filter/lexer.h"
#include "diagnosis/filter/values.h"
#include "diagnosis/model/duration.h"

namespace connleak {

namespace {

using namespace filter;

constexpr std::size_t longest_text = std::size_t{64} * 1024;
constexpr std::size_t deepest = 100;

Node join(std::vector<Node> operands) {
    if (operands.empty()) return {.test = Everything{}};
    if (operands.size() == 1) return std::move(operands.front());
    std::vector<Join> joins(operands.size() - 1, Join::and_);
    return {.test = Chain{std::move(operands), std::move(joins)}};
}

Node node(Test test, bool negated) {
    return {.negated = negated, .test = std::move(test)};
}

// The basic operators to which ss's operators are reduced.
struct Comparison {
    Compare compare = Compare::equal;
    bool negated = false;
};

Comparison comparison(Operator op) {
    switch (op) {
        case Operator::not_equal:
            return {Compare::equal, true};
        case Operator::less:
            return {Compare::at_least, true};
        case Operator::greater:
            return {Compare::at_most, true};
        case Operator::at_most:
            return {Compare::at_most, false};
        case Operator::at_least:
            return {Compare::at_least, false};
        default:
            return {};
    }
}

class Parser {
  public:
    Parser(std::span<const std::string> words, const FilterNames& names)
        : words_(words), names_(names) {}

    std::expected<Filter, FilterError> parse();

  private:
    using Parsed = std::optional<Node>;

    std::nullopt_t fail(std::string message, const Token& at);
    Parsed expression(std::size_t depth);
    // Parses what follows the first operand.
    Parsed rest_of_expression(Node first, std::size_t depth);
    Parsed operand(std::size_t depth);
    Parsed predicate(const Token& word);
    bool leading_states(std::optional<std::uint32_t>& states);

    Parsed host(Side side);
    Parsed port(Side side);
    Parsed device();
    Parsed pid();
    Parsed idle();
    Parsed owner(OwnerField field);
    template <typename Value, typename Wrap>
    Parsed choice(const Value& parse, const Wrap& wrap, const char* choices);

    // The operator of a comparison, if present (default `=`), which must be one of `allowed`.
    std::optional<Operator> op(std::initializer_list<Operator> allowed, const char* message);
    std::optional<Operator> equality();
    std::optional<Token> value();
    [[nodiscard]] std::string_view text(const Token& token) const {
        return words_.text().substr(token.begin, token.end - token.begin);
    }

    Lexer words_;
    const FilterNames& names_;
    std::optional<FilterError> error_;
};

std::nullopt_t Parser::fail(std::string message, const Token& at) {
    if (!error_) error_ = FilterError{std::move(message), at.begin, at.end - at.begin};
    return std::nullopt;
}

std::optional<Operator> Parser::op(std::initializer_list<Operator> allowed, const char* message) {
    const Token token = words_.peek();
    if (token.kind != TokenKind::operator_) return Operator::equal;
    if (std::find(allowed.begin(), allowed.end(), token.op) == allowed.end())
        return fail(message, token);
    words_.next();
    return token.op;
}

std::optional<Operator> Parser::equality() {
    return op({Operator::equal, Operator::not_equal}, "only = and != can stand here");
}

std::optional<Token> Parser::value() {
    const Token token = words_.peek();
    if (token.kind != TokenKind::word) return fail("a value is missing here", token);
    return words_.next();
}

Parser::Parsed Parser::host(Side side) {
    const auto op = equality();
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    auto parsed = parse_host(text(*token), names_);
    if (!parsed) return fail(std::move(parsed.error()), *token);
    std::vector<Node> tests;
    if (!parsed->any_of.empty())
        tests.push_back({.test = HasHost{side, std::move(parsed->any_of)}});
    if (parsed->port) tests.push_back({.test = HasPort{side, Compare::equal, *parsed->port}});
    Node place = join(std::move(tests));
    place.negated ^= *op == Operator::not_equal;
    if (!parsed->ipv6_socket) return place;
    std::vector<Node> both;
    both.push_back({.test = OfFamily{*parsed->ipv6_socket}});
    both.push_back(std::move(place));
    return join(std::move(both));
}

Parser::Parsed Parser::port(Side side) {
    const auto op = this->op({Operator::equal, Operator::not_equal, Operator::less,
                              Operator::greater, Operator::at_most, Operator::at_least},
                             "ports are compared with = != < > <= or >=");
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    auto parsed = parse_port(text(*token), names_);
    if (!parsed) return fail(std::move(parsed.error()), *token);
    const auto [compare, negated] = comparison(*op);
    if (!parsed->port && compare != Compare::equal)
        return fail("a port is needed to compare with", *token);
    std::vector<Node> tests;
    if (parsed->ipv6_socket) tests.push_back({.test = OfFamily{*parsed->ipv6_socket}});
    if (parsed->port)
        tests.push_back(node(HasPort{side, compare, *parsed->port}, negated));
    else
        tests.push_back(node(Everything{}, negated));
    return join(std::move(tests));
}

Parser::Parsed Parser::device() {
    const auto op = equality();
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    const std::string_view name = text(*token);
    return node(OnDevice{std::string(name), parse_number(name)}, *op == Operator::not_equal);
}

Parser::Parsed Parser::pid() {
    const auto op = equality();
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    const auto number = parse_number(text(*token));
    if (!number || *number > 0x7fffffff) return fail("no process number", *token);
    return node(OwnerPid{static_cast<std::int32_t>(*number)}, *op == Operator::not_equal);
}

Parser::Parsed Parser::idle() {
    const auto op = this->op({Operator::equal, Operator::not_equal, Operator::less,
                              Operator::greater, Operator::at_most, Operator::at_least},
                             "durations are compared with = != < > <= or >=");
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    const auto seconds = parse_duration(text(*token));
    if (!seconds) return fail("no duration; write 30, 30s, 5m, 2h or 1d", *token);
    // No comparison matches an unknown idle time, so none is the negation of another.
    Node before = node(Idle{Compare::at_most, *seconds - 1}, false);
    Node after = node(Idle{Compare::at_least, *seconds + 1}, false);
    switch (*op) {
        case Operator::less:
            return before;
        case Operator::greater:
            return after;
        case Operator::not_equal:
            return Node{.test = Chain{{before, after}, {Join::or_}}};
        default:
            return node(Idle{comparison(*op).compare, *seconds}, false);
    }
}

Parser::Parsed Parser::owner(OwnerField field) {
    const auto op =
        this->op({Operator::equal, Operator::not_equal, Operator::contains, Operator::contains_not},
                 "names are compared with = != ~ (contains) or !~");
    if (!op) return std::nullopt;
    auto value = words_.free_text();
    if (!value) return fail(std::move(value.error().message), value.error().at);
    return node(OwnerText{field, *op == Operator::contains || *op == Operator::contains_not,
                          std::move(*value)},
                *op == Operator::not_equal || *op == Operator::contains_not);
}

template <typename Value, typename Wrap>
Parser::Parsed Parser::choice(const Value& parse, const Wrap& wrap, const char* choices) {
    const auto op = equality();
    if (!op) return std::nullopt;
    const auto token = value();
    if (!token) return std::nullopt;
    const auto parsed = parse(text(*token));
    if (!parsed) return fail(choices, *token);
    return node(wrap(*parsed), *op == Operator::not_equal);
}

constexpr const char* state_choices =
    "no state; write established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, "
    "close-wait, last-ack, listening, closing, or all, connected, synchronized, bucket, big";

std::optional<std::uint32_t> known_states(std::string_view text) {
    const std::uint32_t states = parse_states(text);
    return states == 0 ? std::nullopt : std::optional(states);
}

Parser::Parsed Parser::predicate(const Token& token) {
    const std::string_view name = text(token);
    const auto in_state = [&] {
        return choice(
            known_states, [](std::uint32_t states) { return InState{states}; }, state_choices);
    };
    if (name == "src") return host(Side::local);
    if (name == "dst") return host(Side::remote);
    if (name == "sport") return port(Side::local);
    if (name == "dport") return port(Side::remote);
    if (name == "state") return in_state();
    if (name == "exclude" || name == "excl") {
        auto state = in_state();
        if (state) state->negated ^= true;
        return state;
    }
    if (name == "autobound") return node(Autobound{}, false);
    if (name == "dev") return device();
    if (name == "pid") return pid();
    if (name == "comm") return owner(OwnerField::comm);
    if (name == "group") return owner(OwnerField::group);
    if (name == "unit") return owner(OwnerField::unit);
    if (name == "user") return owner(OwnerField::user);
    if (name == "idle") return idle();
    if (name == "timer")
        return choice(
            parse_timer, [](TimerKind kind) { return HasTimer{kind}; },
            "no timer; write off, on, keepalive, timewait, probe or delack");
    if (name == "keepalive")
        return choice(
            parse_keepalive, [](Keepalive keepalive) { return HasKeepalive{keepalive}; },
            "write keepalive = on, off, masked or unknown");
    if (name == "fwmark")
        return fail("fwmark is not supported: sockets are read without it", token);
    if (name == "cgroup") return fail("cgroup is not supported; unit = NAME is", token);
    return fail(
        "no predicate; write src, dst, sport, dport, state, exclude, autobound, dev, pid, comm, "
        "group, unit, user, timer, idle or keepalive",
        token);
}

Parser::Parsed Parser::operand(std::size_t depth) {
    bool negated = false;
    while (words_.peek().kind == TokenKind::negation) {
        words_.next();
        negated = !negated;
    }
    const Token token = words_.next();
    Parsed parsed;
    switch (token.kind) {
        case TokenKind::word:
            parsed = predicate(token);
            break;
        case TokenKind::open: {
            if (depth == deepest) return fail("parentheses are nested too deeply", token);
            parsed = expression(depth + 1);
            if (!parsed) return std::nullopt;
            if (words_.peek().kind != TokenKind::close)
                return fail("this parenthesis is not closed", token);
            words_.next();
            break;
        }
        default:
            return fail("a predicate is missing here", token);
    }
    if (parsed) parsed->negated ^= negated;
    return parsed;
}

Parser::Parsed Parser::rest_of_expression(Node first, std::size_t depth) {
    Chain chain;
    chain.operands.push_back(std::move(first));
    for (;;) {
        const TokenKind kind = words_.peek().kind;
        if (kind == TokenKind::end || kind == TokenKind::close) break;
        if (kind == TokenKind::and_ || kind == TokenKind::or_) words_.next();
        auto next = operand(depth);
        if (!next) return std::nullopt;
        chain.operands.push_back(std::move(*next));
        chain.joins.push_back(kind == TokenKind::or_ ? Join::or_ : Join::and_);
    }
    if (chain.joins.empty()) return std::move(chain.operands.front());
    return Node{.test = std::move(chain)};
}

Parser::Parsed Parser::expression(std::size_t depth) {
    auto first = operand(depth);
    if (!first) return std::nullopt;
    return rest_of_expression(std::move(*first), depth);
}

// `state` and `exclude` at the beginning are cumulative, as in ss.
bool Parser::leading_states(std::optional<std::uint32_t>& states) {
    for (;;) {
        const Token token = words_.peek();
        const std::string_view name = token.kind == TokenKind::word ? text(token) : "";
        const bool exclude = name == "exclude" || name == "excl";
        if (!exclude && name != "state") return true;
        words_.next();
        const auto parsed = predicate(token);
        if (!parsed) return false;
        const std::uint32_t named = std::get<InState>(parsed->test).states;
        if (parsed->negated)
            states = states.value_or(all_states) & ~named;
        else
            states = states.value_or(0) | named;
    }
}

std::expected<Filter, FilterError> Parser::parse() {
    Filter filter;
    if (words_.text().size() > longest_text)
        return std::unexpected(FilterError{"the expression is longer than 64 KiB", 0, 0});
    if (!leading_states(filter.states)) return std::unexpected(*error_);
    const TokenKind kind = words_.peek().kind;
    if (filter.states && (kind == TokenKind::and_ || kind == TokenKind::or_)) {
        // Joined by a word, which ss does not support, they are ordinary predicates.
        filter.expression =
            rest_of_expression({.test = InState{*std::exchange(filter.states, {})}}, 0);
    } else if (kind != TokenKind::end) {
        filter.expression = expression(0);
    } else {
        return filter;
    }
    if (filter.expression && words_.peek().kind != TokenKind::end)
        fail("there is no parenthesis that this could close", words_.peek());
    if (error_) return std::unexpected(*error_);
    return filter;
}

}  // namespace

std::expected<Filter, FilterError> parse_filter(std::span<const std::string> words,
                                                const FilterNames& names) {
    return Parser(words, names).parse();
}

}  // namespace connleak

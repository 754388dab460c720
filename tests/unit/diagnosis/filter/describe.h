// Filter expressions for the tests: read from one text or from the shell's words, and told back
// with every parenthesis in its place.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "diagnosis/filter/filter.h"

namespace connleak::filter {

inline std::string describe(const Prefix& prefix) {
    if (prefix.family == Family::none) return "*";
    if (prefix.family == Family::ipv4)
        return fmt::format("{}/{}", Address::from_bytes(std::span(prefix.bytes).first(4)).text(),
                           prefix.length);
    const Address address = Address::from_bytes(prefix.bytes);
    return fmt::format("{}{}/{}", address.family() == Family::ipv4 ? "::ffff:" : "", address.text(),
                       prefix.length);
}

inline const char* describe(Compare compare) {
    return compare == Compare::equal ? "=" : compare == Compare::at_least ? ">=" : "<=";
}

inline std::string describe(const Node& node);

struct Teller {
    std::string operator()(const Everything&) const { return "everything"; }
    std::string operator()(const InState& test) const {
        return fmt::format("state:{:x}", test.states);
    }
    std::string operator()(const OfFamily& test) const { return test.ipv6 ? "inet6" : "inet"; }
    std::string operator()(const HasHost& test) const {
        std::string text = test.side == Side::local ? "src" : "dst";
        for (std::size_t i = 0; i < test.any_of.size(); ++i)
            text += (i == 0 ? '=' : ',') + describe(test.any_of[i]);
        return text;
    }
    std::string operator()(const HasPort& test) const {
        return fmt::format("{}port{}{}", test.side == Side::local ? 's' : 'd',
                           describe(test.compare), test.port);
    }
    std::string operator()(const Autobound&) const { return "autobound"; }
    std::string operator()(const OnDevice& test) const {
        return "dev=" + test.name + (test.index ? fmt::format("#{}", *test.index) : "");
    }
    std::string operator()(const HasTimer& test) const {
        return fmt::format("timer={}", to_string(test.kind));
    }
    std::string operator()(const HasKeepalive& test) const {
        return fmt::format("keepalive={}", to_string(test.keepalive));
    }
    std::string operator()(const Idle& test) const {
        return fmt::format("idle{}{}", describe(test.compare), test.seconds);
    }
    std::string operator()(const OwnerText& test) const {
        constexpr const char* fields[] = {"comm", "group", "unit", "user"};
        return fmt::format("{}{}'{}'", fields[static_cast<unsigned>(test.field)],
                           test.part ? '~' : '=', test.text);
    }
    std::string operator()(const OwnerPid& test) const { return fmt::format("pid={}", test.pid); }
    std::string operator()(const Chain& chain) const {
        std::string text = describe(chain.operands.front());
        for (std::size_t i = 0; i < chain.joins.size(); ++i)
            text = fmt::format("({} {} {})", text, chain.joins[i] == Join::and_ ? "and" : "or",
                               describe(chain.operands[i + 1]));
        return text;
    }
};

inline std::string describe(const Node& node) {
    const std::string text = std::visit(Teller{}, node.test);
    return node.negated ? "not " + text : text;
}

// The parsed filter in full, or "MESSAGE at POSITION+LENGTH".
inline std::string describe(const std::vector<std::string>& words, const FilterNames& names = {}) {
    const auto filter = parse_filter(words, names);
    if (!filter) {
        const FilterError& error = filter.error();
        return fmt::format("{} at {}+{}", error.message, error.position, error.length);
    }
    std::string text;
    if (filter->states) text = fmt::format("[{:x}]", *filter->states);
    if (filter->expression) text += (text.empty() ? "" : " ") + describe(*filter->expression);
    return text;
}

inline std::string describe(const std::string& text, const FilterNames& names = {}) {
    return describe(std::vector{text}, names);
}

inline Filter parsed(const std::string& text, const FilterNames& names = {}) {
    auto filter = parse_filter(std::vector{text}, names);
    if (!filter) throw std::runtime_error(text + ": " + filter.error().message);
    return std::move(*filter);
}

}  // namespace connleak::filter

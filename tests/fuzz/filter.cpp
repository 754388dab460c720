// Filter expressions: the words of a command line, here one a line. What can be parsed can be
// evaluated and compiled, and what cannot has an error that lies in the text.
#include "diagnosis/filter/filter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/sockets/filter_bytecode.h"

namespace {

using namespace connleak;

FilterNames some_names() {
    return {.service = [](std::string_view name) -> std::optional<std::uint16_t> {
                if (name.size() % 2 == 0) return std::nullopt;
                return static_cast<std::uint16_t>(name.size());
            },
            .host = [](std::string_view name) -> std::vector<Address> {
                if (name.size() % 2 == 0) return {};
                return {*Address::parse("10.0.0.1"), *Address::parse("2001:db8::1")};
            }};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < size; ++i) {
        if (data[i] == '\n')
            words.emplace_back();
        else
            words.back() += static_cast<char>(data[i]);
    }
    const std::string text = filter_text(words);
    const auto filter = parse_filter(words, some_names());
    if (!filter) {
        const FilterError& error = filter.error();
        if (error.message.empty() || error.position > text.size() ||
            error.length > text.size() - error.position)
            __builtin_trap();
        const std::string shown = show_filter_error(
            text, error, [](std::string_view raw) { return std::string(raw.size(), 'x'); },
            [](std::string_view printed) { return printed.size(); });
        if (std::count(shown.begin(), shown.end(), '\n') != 2) __builtin_trap();
        return 0;
    }
    Socket socket;
    socket.tuple = {{*Address::parse("10.0.0.1"), 6379}, {*Address::parse("10.0.0.2"), 40000}};
    socket.state = State::established;
    socket.ipv6_socket = size % 2 == 0;
    socket.inode = 1;
    const FilterAnswer before = filter->test({.socket = socket});
    const std::vector<const Process*> none;
    const FilterAnswer after = filter->test({.socket = socket, .owners = none});
    // What is certain without owners stays so, and with them everything is certain.
    if (after == FilterAnswer::needs_owners) __builtin_trap();
    if (before != FilterAnswer::needs_owners && before != after) __builtin_trap();
    if (before == FilterAnswer::needs_owners && !filter->asks_for_owners()) __builtin_trap();
    const auto states = filter->possible_states();
    if (after == FilterAnswer::yes && states && (*states & state_bit(State::established)) == 0)
        __builtin_trap();
    if (filter->expression) {
        const auto program = netlink::compile_filter(*filter->expression, {});
        if (program.size() > netlink::longest_program || program.size() % 4 != 0) __builtin_trap();
    }
    return 0;
}

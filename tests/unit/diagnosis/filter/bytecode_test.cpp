// Filters compiled for the kernel, on an interpreter that does what net/ipv4/inet_diag.c does
// (inet_diag_bc_audit(), inet_diag_bc_run()), with sockets made up.
#include "netlink/sockets/filter_bytecode.h"

#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "netlink/sockets/bytecode.h"
#include "tests/unit/diagnosis/filter/describe.h"
#include "tests/unit/diagnosis/filter/random.h"

namespace connleak::netlink {
namespace {

using namespace filter;
using Bytes = std::vector<std::uint8_t>;

template <typename T>
T load(const Bytes& bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    return value;
}

std::size_t least_size(const Bytes& program, std::size_t at, std::size_t left) {
    const auto op = load<inet_diag_bc_op>(program, at);
    switch (op.code) {
        case INET_DIAG_BC_JMP:
            return 4;
        case INET_DIAG_BC_S_GE:
        case INET_DIAG_BC_S_LE:
        case INET_DIAG_BC_D_GE:
        case INET_DIAG_BC_D_LE:
            return 8;
        case INET_DIAG_BC_S_COND:
        case INET_DIAG_BC_D_COND: {
            if (left < 12) return 12;
            const auto condition = load<inet_diag_hostcond>(program, at + 4);
            const std::size_t size = condition.family == AF_UNSPEC ? 0
                                     : condition.family == AF_INET ? 4
                                                                   : 16;
            const bool known = condition.family == AF_UNSPEC || condition.family == AF_INET ||
                               condition.family == AF_INET6;
            return known && condition.prefix_len <= 8 * size ? 12 + size : SIZE_MAX;
        }
        default:
            return SIZE_MAX;
    }
}

// On the line that the `yes` ways make of the program.
bool on_line(const Bytes& program, std::size_t target) {
    for (std::size_t at = 0; at <= target;) {
        if (at == target) return true;
        at += load<inet_diag_bc_op>(program, at).yes;
    }
    return false;
}

bool audit(const Bytes& program) {
    if (program.size() < 4) return false;
    std::size_t at = 0;
    while (at < program.size()) {
        const std::size_t left = program.size() - at;
        if (left < 4) return false;
        const auto op = load<inet_diag_bc_op>(program, at);
        const std::size_t least = least_size(program, at, left);
        if (left < least || op.no < least || op.no > left + 4 || op.no % 4 != 0) return false;
        if (op.no < left && !on_line(program, at + op.no)) return false;
        if (op.yes < least || op.yes > left + 4 || op.yes % 4 != 0) return false;
        at += op.yes;
    }
    return at == program.size();
}

std::array<std::uint8_t, 16> raw(const Address& address, bool ipv6_socket) {
    std::array<std::uint8_t, 16> bytes{};
    const auto from = address.bytes();
    const bool mapped = ipv6_socket && from.size() == 4;
    std::copy(from.begin(), from.end(), bytes.begin() + (mapped ? 12 : 0));
    if (mapped) bytes[10] = bytes[11] = 0xff;
    return bytes;
}

bool bits_match(const std::uint8_t* one, const std::uint8_t* other, unsigned bits) {
    for (unsigned bit = 0; bit < bits; ++bit)
        if (((one[bit / 8] ^ other[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    return true;
}

bool host_condition(const Bytes& program, std::size_t at, const Endpoint& end, bool ipv6_socket) {
    constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const auto condition = load<inet_diag_hostcond>(program, at);
    const std::uint8_t* wanted = program.data() + at + sizeof(inet_diag_hostcond);
    const auto bytes = raw(end.address, ipv6_socket);
    if (condition.port != -1 && condition.port != end.port) return false;
    if (condition.family != AF_UNSPEC && condition.family != (ipv6_socket ? AF_INET6 : AF_INET))
        return ipv6_socket && condition.family == AF_INET && bits_match(bytes.data(), mapped, 96) &&
               bits_match(bytes.data() + 12, wanted, condition.prefix_len);
    return bits_match(bytes.data(), wanted, condition.prefix_len);
}

bool run(const Bytes& program, const Socket& socket) {
    const Endpoint& local = socket.tuple.local;
    const Endpoint& remote = socket.tuple.remote;
    std::size_t at = 0;
    while (at < program.size()) {
        const auto op = load<inet_diag_bc_op>(program, at);
        const auto port = [&] { return load<inet_diag_bc_op>(program, at + 4).no; };
        bool yes = false;
        switch (op.code) {
            case INET_DIAG_BC_S_GE:
                yes = local.port >= port();
                break;
            case INET_DIAG_BC_S_LE:
                yes = local.port <= port();
                break;
            case INET_DIAG_BC_D_GE:
                yes = remote.port >= port();
                break;
            case INET_DIAG_BC_D_LE:
                yes = remote.port <= port();
                break;
            case INET_DIAG_BC_S_COND:
                yes = host_condition(program, at + 4, local, socket.ipv6_socket);
                break;
            case INET_DIAG_BC_D_COND:
                yes = host_condition(program, at + 4, remote, socket.ipv6_socket);
                break;
            default:
                break;
        }
        at += yes ? op.yes : op.no;
    }
    return at == program.size();
}

Bytes compile(const std::string& text) {
    return compile_filter(parsed(text).expression.value(), {});
}

std::vector<Socket> random_sockets(std::size_t count) {
    std::mt19937 random(11);  // NOLINT: the same sockets in every run
    constexpr const char* addresses[] = {"0.0.0.0",  "127.0.0.1", "10.0.0.1",    "10.0.1.1",
                                         "10.8.0.1", "::",        "2001:db8::1", "2001:db8::2",
                                         "fe80::1",  "::1"};
    constexpr std::uint16_t ports[] = {0, 22, 80, 6379, 6380, 32768, 40000, 60999, 61000, 65535};
    std::vector<Socket> sockets(count);
    for (Socket& socket : sockets) {
        const std::size_t first = random() % 2 == 0 ? 0 : 5;
        const auto end = [&] {
            return Endpoint{Address::parse(addresses[first + random() % 5]).value(),
                            ports[random() % 10]};
        };
        socket.tuple = {end(), end()};
        socket.ipv6_socket = first != 0 || random() % 3 == 0;
        socket.state = static_cast<State>(1 + random() % 11);
        socket.timer.kind = static_cast<TimerKind>(random() % 3);
        socket.interface = random() % 2;
        socket.inode = random() % 4;
        if (random() % 4 != 0) {
            socket.info.emplace();
            socket.info->last_ack_received_ms = static_cast<std::uint32_t>(random() % 10 * 1000);
            socket.info->last_data_received_ms = static_cast<std::uint32_t>(random() % 10000000);
        }
    }
    return sockets;
}

// With a filter that the kernel can judge alone, its answer is the filter's; with any, it passes
// whatever the filter passes, whoever the owners turn out to be.
void expect_superset(RandomExpressions::Kinds kinds, unsigned seed, bool exact) {
    const std::vector<Socket> sockets = random_sockets(400);
    RandomExpressions expressions(seed, sockets);
    std::size_t compiled = 0;
    std::size_t spared = 0;
    for (int round = 0; round < 3000; ++round) {
        const auto words = expressions.make(kinds);
        const auto filter = parse_filter(words);
        ASSERT_TRUE(filter) << filter_text(words) << ": " << filter.error().message;
        const std::uint32_t states = filter->possible_states().value_or(all_states);
        const Bytes program =
            filter->expression ? compile_filter(*filter->expression, {}) : Bytes();
        if (!program.empty()) {
            ++compiled;
            ASSERT_TRUE(audit(program)) << filter_text(words);
        }
        for (const Socket& socket : sockets) {
            const bool in_state = (states & state_bit(socket.state)) != 0;
            const bool passed = in_state && (program.empty() || run(program, socket));
            const FilterAnswer answer = filter->test({.socket = socket});
            spared += passed ? 0 : 1;
            ASSERT_TRUE(passed || answer == FilterAnswer::no)
                << filter_text(words) << "\n"
                << describe(words) << "\n"
                << socket.tuple.local.text() << " " << socket.tuple.remote.text();
            if (!exact) continue;
            ASSERT_EQ(passed, answer == FilterAnswer::yes) << filter_text(words);
        }
    }
    EXPECT_GT(compiled, 1500U);
    EXPECT_GT(spared, 3000U * 400 / 4);
}

TEST(FilterBytecode, TheKernelsAnswerIsTheFilters) {
    expect_superset({.devices = false}, 1, true);
}

TEST(FilterBytecode, WhatTheKernelCannotJudgePasses) {
    expect_superset({.own = true}, 2, false);
}

TEST(FilterBytecode, WhatIsLeftToTheKernel) {
    // Nothing is left to it where nothing can be.
    for (const char* text :
         {"pid 1", "not pid 1", "sport 22 or comm x", "sport 22 or not comm x",
          "( state listening )", "not ( sport 22 and idle > 5 )", "src *", "dev lo", "sport = *",
          "not ( sport != * )", "( sport 22 or pid 1 ) and ( dport 22 or timer off )"})
        EXPECT_TRUE(compile(text).empty()) << text;
    // And the rest of an expression is left out of the program.
    const auto same = [](const char* one, const char* other) {
        EXPECT_EQ(compile(one), compile(other)) << one;
        EXPECT_FALSE(compile(one).empty()) << one;
    };
    same("sport 22 and pid 1", "sport 22");
    same("pid 1 and sport 22", "sport 22");
    same("( dport 1 or pid 1 ) and sport 22", "sport 22");
    same("dport 1 or pid 1 and sport 22", "sport 22");
    same("not ( sport 22 or idle > 5 )", "not sport 22");
    same("not ( sport != 22 or not pid 1 )", "sport 22");
    EXPECT_EQ(compile("sport 22").size(), 12U);
    EXPECT_EQ(compile("sport >= 22").size(), 8U);
    EXPECT_EQ(compile("sport 22 and dport 23 and src 10.0.0.1").size(), 12U + 12 + 16);
    EXPECT_EQ(compile("src ::1 or sport 1").size(), 28U + 4 + 12);
}

// The name of a host can stand for several addresses, of both families.
TEST(FilterBytecode, HostsWithSeveralAddresses) {
    const FilterNames names{.host = [](std::string_view) -> std::vector<Address> {
        return {*Address::parse("10.0.0.1"), *Address::parse("2001:db8::1"),
                *Address::parse("10.0.1.1")};
    }};
    for (const char* text : {"src host", "not src host", "sport < 80 or dst host:22",
                             "not ( src host or dport 80 ) and not dst host"}) {
        const Filter filter = parsed(text, names);
        const Bytes program = compile_filter(*filter.expression, {});
        ASSERT_TRUE(audit(program)) << text;
        std::size_t passed = 0;
        for (const Socket& socket : random_sockets(1000)) {
            const bool yes = filter.test({.socket = socket}) == FilterAnswer::yes;
            EXPECT_EQ(run(program, socket), yes) << text;
            if (yes) ++passed;
        }
        EXPECT_GT(passed, 50U);
        EXPECT_LT(passed, 950U);
    }
}

TEST(FilterBytecode, ProgramsThatAreTooLong) {
    std::string text = "sport 1";
    while (!compile(text).empty()) text += " or sport 1";
    EXPECT_EQ(text.size(), 7U + 320 * 11);  // 320 times 16 bytes less the last jump are 5116
    EXPECT_TRUE(audit(compile(text.substr(0, text.size() - 11))));
    // With the longest expression of all the compiler stops early.
    while (text.size() < 65000) text += "|(!src 10/8&dport<3)";
    EXPECT_TRUE(compile(text).empty());
}

TEST(FilterBytecode, PortFilter) {
    EXPECT_TRUE(compile_port_filter({}).empty());
    EXPECT_EQ(compile_port_filter({6379}), compile("sport 6379 or dport 6379"));
    EXPECT_EQ(compile_port_filter({2, 1, 3, 1}),
              compile("( sport >= 1 sport <= 3 ) or ( dport >= 1 dport <= 3 )"));
    EXPECT_TRUE(audit(compile_port_filter({0, 65535})));
}

}  // namespace
}  // namespace connleak::netlink

#include "netlink/sockets/filter_bytecode.h"

#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace connleak::netlink {

namespace {

using namespace filter;

// A jump target, possibly not emitted yet.
using Label = std::size_t;
constexpr Label accept_socket = 0;
constexpr Label refuse_socket = 1;

// The kernel's auditor (inet_diag_bc_audit() in net/ipv4/inet_diag.c) requires that the `yes`
// offsets walk through all operations in sequence, and that a `no` lands on that sequence, at its
// end (the socket is accepted) or four bytes beyond it (refused). So a test that holds continues
// with the next operation, one that fails jumps, and INET_DIAG_BC_JMP always takes the `no` offset.
class Program {
  public:
    static constexpr std::size_t op_size = sizeof(inet_diag_bc_op);

    Label new_label() {
        places_.push_back(0);
        return places_.size() - 1;
    }
    void put(Label label) { places_[label] = bytes_.size(); }

    void jump(Label to) { add_op(INET_DIAG_BC_JMP, op_size, to); }

    // The port is stored in a second operation's `no`. S_EQ and D_EQ are unknown before Linux 4.16;
    // a host condition without a host is equivalent.
    void compare_port(Side side, Compare compare, std::uint16_t port, Label otherwise) {
        const bool local = side == Side::local;
        if (compare == Compare::equal) return match(side, {}, AF_UNSPEC, port, otherwise);
        if (compare == Compare::at_least)
            add_op(local ? INET_DIAG_BC_S_GE : INET_DIAG_BC_D_GE, 2 * op_size, otherwise);
        else
            add_op(local ? INET_DIAG_BC_S_LE : INET_DIAG_BC_D_LE, 2 * op_size, otherwise);
        add(inet_diag_bc_op{.code = 0, .yes = 0, .no = port});
    }

    // AF_INET also matches v4-mapped addresses. A prefix of length 0 still compares the family.
    void match(Side side, const Prefix& prefix, int family, int port, Label otherwise) {
        const std::size_t address_size = family == AF_UNSPEC ? 0 : family == AF_INET ? 4 : 16;
        add_op(side == Side::local ? INET_DIAG_BC_S_COND : INET_DIAG_BC_D_COND,
               op_size + sizeof(inet_diag_hostcond) + address_size, otherwise);
        const std::size_t begin = bytes_.size();
        bytes_.resize(begin + sizeof(inet_diag_hostcond) + address_size);
        auto* const condition = bytes_.data() + begin;
        condition[offsetof(inet_diag_hostcond, family)] = static_cast<std::uint8_t>(family);
        condition[offsetof(inet_diag_hostcond, prefix_len)] = prefix.length;
        std::memcpy(condition + offsetof(inet_diag_hostcond, port), &port, sizeof(port));
        std::memcpy(condition + sizeof(inet_diag_hostcond), prefix.bytes.data(), address_size);
    }

    [[nodiscard]] bool too_long() const { return bytes_.size() > longest_program; }

    std::vector<std::uint8_t> take() {
        places_[accept_socket] = bytes_.size();
        places_[refuse_socket] = bytes_.size() + op_size;
        for (const auto& [place, to] : jumps_) {
            const auto distance = static_cast<std::uint16_t>(places_[to] - place);
            std::memcpy(bytes_.data() + place + offsetof(inet_diag_bc_op, no), &distance,
                        sizeof(distance));
        }
        return std::move(bytes_);
    }

  private:
    static_assert(longest_program + op_size <= std::numeric_limits<std::uint16_t>::max());

    void add(const inet_diag_bc_op& op) {
        const std::size_t begin = bytes_.size();
        bytes_.resize(begin + op_size);
        std::memcpy(bytes_.data() + begin, &op, op_size);
    }

    void add_op(unsigned code, std::size_t size, Label otherwise) {
        jumps_.emplace_back(bytes_.size(), otherwise);
        add(inet_diag_bc_op{.code = static_cast<std::uint8_t>(code),
                            .yes = static_cast<std::uint8_t>(size),
                            .no = 0});
    }

    std::vector<std::uint8_t> bytes_;
    std::vector<std::size_t> places_ = {0, 0};  // by label
    std::vector<std::pair<std::size_t, Label>> jumps_;
};

// Whether the kernel must be told that the node is passed, because it cannot say when it is not:
// `wanted` is the node's value that lets a socket pass, false under an odd number of `not`s.
bool is_open(const Node& node, bool wanted);

struct OpenTest {
    bool wanted = true;

    bool operator()(const Everything&) const { return wanted; }
    bool operator()(const OfFamily&) const { return false; }
    bool operator()(const HasHost&) const { return false; }
    bool operator()(const HasPort&) const { return false; }
    bool operator()(const Autobound&) const { return false; }
    bool operator()(const Chain& chain) const {
        bool open = is_open(chain.operands.front(), wanted);
        for (std::size_t i = 0; i < chain.joins.size(); ++i) open = joined(chain, i, open);
        return open;
    }
    template <typename Other>  // states, timers, owners etc.
    bool operator()(const Other&) const {
        return true;
    }

    // Of the chain as far as operand i + 1, when it is `open` as far as operand i.
    [[nodiscard]] bool joined(const Chain& chain, std::size_t i, bool open) const {
        const bool next = is_open(chain.operands[i + 1], wanted);
        return (chain.joins[i] == Join::and_) == wanted ? open && next : open || next;
    }
};

bool is_open(const Node& node, bool wanted) {
    return std::visit(OpenTest{wanted != node.negated}, node.test);
}

// Where a node's code continues: when it holds, when it does not, and what follows it.
struct Ways {
    Label yes = accept_socket;
    Label no = refuse_socket;
    Label next = accept_socket;
};

class Compiler {
  public:
    explicit Compiler(const PortRange& local_ports) : local_ports_(local_ports) {}

    void compile(const Node& node, Ways ways, bool wanted);
    std::vector<std::uint8_t> take() {
        return program_.too_long() ? std::vector<std::uint8_t>() : program_.take();
    }

  private:
    void go(Label to, Label next) {
        if (to != next) program_.jump(to);
    }
    void compile(const HasHost& test, const Ways& ways);
    void compile(const Chain& chain, const Ways& ways, bool wanted);

    const PortRange& local_ports_;
    Program program_;
};

void Compiler::compile(const Node& node, Ways ways, bool wanted) {
    if (program_.too_long()) return;
    if (node.negated) {
        std::swap(ways.yes, ways.no);
        wanted = !wanted;
    }
    if (std::visit(OpenTest{wanted}, node.test)) return go(wanted ? ways.yes : ways.no, ways.next);
    if (const auto* chain = std::get_if<Chain>(&node.test)) return compile(*chain, ways, wanted);
    if (const auto* host = std::get_if<HasHost>(&node.test)) return compile(*host, ways);
    if (const auto* family = std::get_if<OfFamily>(&node.test)) {
        if (!family->ipv6) std::swap(ways.yes, ways.no);
        program_.match(Side::local, {}, AF_INET6, -1, ways.no);
    } else if (const auto* port = std::get_if<HasPort>(&node.test)) {
        program_.compare_port(port->side, port->compare, port->port, ways.no);
    } else if (std::holds_alternative<Autobound>(node.test)) {
        program_.compare_port(Side::local, Compare::at_least, local_ports_.low, ways.no);
        program_.compare_port(Side::local, Compare::at_most, local_ports_.high, ways.no);
    }
    go(ways.yes, ways.next);
}

void Compiler::compile(const HasHost& test, const Ways& ways) {
    if (test.any_of.empty()) return go(ways.no, ways.next);
    for (std::size_t i = 0; i < test.any_of.size(); ++i) {
        const bool last = i + 1 == test.any_of.size();
        const Label otherwise = last ? ways.no : program_.new_label();
        const Prefix& prefix = test.any_of[i];
        const int family = prefix.family == Family::none   ? AF_UNSPEC
                           : prefix.family == Family::ipv4 ? AF_INET
                                                           : AF_INET6;
        program_.match(test.side, prefix, family, -1, otherwise);
        if (last) return go(ways.yes, ways.next);
        program_.jump(ways.yes);
        program_.put(otherwise);
    }
}

void Compiler::compile(const Chain& chain, const Ways& ways, bool wanted) {
    // What comes before an operand that leaves the chain open changes nothing.
    std::size_t first = 0;
    const OpenTest test{wanted};
    bool open = is_open(chain.operands.front(), wanted);
    for (std::size_t i = 0; i < chain.joins.size(); ++i) {
        if (open) first = i + 1;
        open = test.joined(chain, i, open);
    }
    // Backwards: if the next join is `and`, a chain that holds so far continues with its operand,
    // and one that does not is finished; with `or` the reverse.
    std::vector<Ways> each(chain.operands.size(), ways);
    for (std::size_t i = chain.operands.size() - 1; i > first; --i) {
        const Label next = program_.new_label();
        each[i - 1] = {each[i].yes, each[i].no, next};
        (chain.joins[i - 1] == Join::and_ ? each[i - 1].yes : each[i - 1].no) = next;
    }
    for (std::size_t i = first; i < chain.operands.size(); ++i) {
        if (i > first) program_.put(each[i - 1].next);
        compile(chain.operands[i], each[i], wanted);
    }
}

}  // namespace

std::vector<std::uint8_t> compile_filter(const filter::Node& expression,
                                         const filter::PortRange& local_ports) {
    if (is_open(expression, true)) return {};
    Compiler compiler(local_ports);
    compiler.compile(expression, {}, true);
    return compiler.take();
}

}  // namespace connleak::netlink

#include "diagnosis/filter/filter.h"

#include <algorithm>

#include "diagnosis/connections/verdict.h"

namespace connleak {

namespace {

using namespace filter;

bool compare_values(std::int64_t value, Compare compare, std::int64_t with) {
    switch (compare) {
        case Compare::equal:
            return value == with;
        case Compare::at_least:
            return value >= with;
        case Compare::at_most:
            return value <= with;
    }
    return false;
}

bool same_bits(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other,
               std::size_t bits) {
    const std::size_t whole = bits / 8;
    if (!std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(whole), other.begin()))
        return false;
    const unsigned rest = bits % 8;
    return rest == 0 || ((one[whole] ^ other[whole]) >> (8U - rest)) == 0;
}

// The kernel's rule (inet_diag_bc_run): an AF_INET6 socket is compared in IPv6's form, except with
// an IPv4 pattern.
bool matches(const Prefix& prefix, const Address& address, bool ipv6_socket) {
    if (prefix.family == Family::none) return true;
    if (prefix.family == Family::ipv4)
        return address.family() == Family::ipv4 &&
               same_bits(address.bytes(), prefix.bytes, prefix.length);
    if (!ipv6_socket) return false;
    if (address.family() == Family::ipv6)
        return same_bits(address.bytes(), prefix.bytes, prefix.length);
    std::array<std::uint8_t, 16> mapped{};
    mapped[10] = mapped[11] = 0xff;
    const auto bytes = address.bytes();
    std::copy(bytes.begin(), bytes.end(), mapped.begin() + 12);
    return same_bits(mapped, prefix.bytes, prefix.length);
}

std::optional<std::int64_t> idle_s(const Socket& socket) {
    const auto heard = peer_heard_ms(socket);
    if (!heard) return std::nullopt;
    return *heard / 1000;
}

std::string_view field_of(const Process& process, OwnerField field) {
    switch (field) {
        case OwnerField::comm:
            return process.comm;
        case OwnerField::group:
            return process.group;
        case OwnerField::unit:
            return process.unit;
        case OwnerField::user:
            return process.user;
    }
    return {};
}

bool has_text(const Process& process, const OwnerText& wanted) {
    const std::string_view text = field_of(process, wanted.field);
    if (wanted.part) return text.find(wanted.text) != std::string_view::npos;
    if (text == wanted.text) return true;
    return wanted.field == OwnerField::user && std::to_string(process.uid) == wanted.text;
}

FilterAnswer answer(bool yes) {
    return yes ? FilterAnswer::yes : FilterAnswer::no;
}

FilterAnswer opposite(FilterAnswer value) {
    switch (value) {
        case FilterAnswer::no:
            return FilterAnswer::yes;
        case FilterAnswer::yes:
            return FilterAnswer::no;
        case FilterAnswer::needs_owners:
            break;
    }
    return FilterAnswer::needs_owners;
}

FilterAnswer evaluate(const Node& node, const FilterSubject& subject);

class Evaluator {
  public:
    explicit Evaluator(const FilterSubject& subject) : subject_(subject), socket_(subject.socket) {}

    FilterAnswer operator()(const Everything&) const { return FilterAnswer::yes; }
    FilterAnswer operator()(const InState& test) const {
        return answer((test.states & state_bit(socket_.state)) != 0);
    }
    FilterAnswer operator()(const OfFamily& test) const {
        return answer(test.ipv6 == socket_.ipv6_socket);
    }
    FilterAnswer operator()(const HasHost& test) const {
        const Address& address = end(test.side).address;
        return answer(std::any_of(
            test.any_of.begin(), test.any_of.end(),
            [&](const Prefix& prefix) { return matches(prefix, address, socket_.ipv6_socket); }));
    }
    FilterAnswer operator()(const HasPort& test) const {
        return answer(compare_values(end(test.side).port, test.compare, test.port));
    }
    FilterAnswer operator()(const Autobound&) const {
        const std::uint16_t port = socket_.tuple.local.port;
        return answer(port >= subject_.local_ports.low && port <= subject_.local_ports.high);
    }
    FilterAnswer operator()(const OnDevice& test) const {
        return answer(test.index == socket_.interface ||
                      (socket_.interface != 0 && subject_.device == test.name));
    }
    FilterAnswer operator()(const HasTimer& test) const {
        return answer(socket_.timer.kind == test.kind);
    }
    FilterAnswer operator()(const HasKeepalive& test) const {
        return answer(keepalive_of(socket_) == test.keepalive);
    }
    FilterAnswer operator()(const Idle& test) const {
        const auto idle = idle_s(socket_);
        return answer(idle && compare_values(*idle, test.compare, test.seconds));
    }
    FilterAnswer operator()(const OwnerText& test) const {
        return any_owner([&](const Process& process) { return has_text(process, test); });
    }
    FilterAnswer operator()(const OwnerPid& test) const {
        return any_owner([&](const Process& process) { return process.pid == test.pid; });
    }
    FilterAnswer operator()(const Chain& chain) const {
        FilterAnswer value = evaluate(chain.operands.front(), subject_);
        for (std::size_t i = 0; i < chain.joins.size(); ++i) {
            const bool both = chain.joins[i] == Join::and_;
            if (value == (both ? FilterAnswer::no : FilterAnswer::yes)) continue;
            const FilterAnswer next = evaluate(chain.operands[i + 1], subject_);
            value = both ? std::min(value, next) : std::max(value, next);
        }
        return value;
    }

  private:
    [[nodiscard]] const Endpoint& end(Side side) const {
        return side == Side::local ? socket_.tuple.local : socket_.tuple.remote;
    }

    template <typename Holds>
    FilterAnswer any_owner(const Holds& holds) const {
        if (!subject_.owners)  // a socket without an inode has no descriptor anywhere
            return socket_.inode == 0 ? FilterAnswer::no : FilterAnswer::needs_owners;
        return answer(std::any_of(subject_.owners->begin(), subject_.owners->end(),
                                  [&](const Process* process) { return holds(*process); }));
    }

    const FilterSubject& subject_;
    const Socket& socket_;
};

FilterAnswer evaluate(const Node& node, const FilterSubject& subject) {
    const FilterAnswer value = std::visit(Evaluator(subject), node.test);
    return node.negated ? opposite(value) : value;
}

// All states of matching sockets; `negated` for a node under a `not`.
std::uint32_t states_of(const Node& node, bool negated) {
    negated ^= node.negated;
    if (const auto* test = std::get_if<InState>(&node.test))
        return negated ? all_states & ~test->states : test->states;
    const auto* chain = std::get_if<Chain>(&node.test);
    if (chain == nullptr) return all_states;
    std::uint32_t states = states_of(chain->operands.front(), negated);
    for (std::size_t i = 0; i < chain->joins.size(); ++i) {
        const std::uint32_t next = states_of(chain->operands[i + 1], negated);
        states = (chain->joins[i] == Join::and_) != negated ? states & next : states | next;
    }
    return states;
}

template <typename... Wanted>
bool asks_for(const Node& node) {
    if ((std::holds_alternative<Wanted>(node.test) || ...)) return true;
    const auto* chain = std::get_if<Chain>(&node.test);
    return chain != nullptr &&
           std::any_of(chain->operands.begin(), chain->operands.end(), asks_for<Wanted...>);
}

}  // namespace

FilterAnswer Filter::test(const FilterSubject& subject) const {
    if (states && (*states & state_bit(subject.socket.state)) == 0) return FilterAnswer::no;
    return expression ? evaluate(*expression, subject) : FilterAnswer::yes;
}

std::optional<std::uint32_t> Filter::possible_states() const {
    const bool inside = expression && asks_for<InState>(*expression);
    if (!states && !inside) return std::nullopt;
    return states.value_or(all_states) & (inside ? states_of(*expression, false) : all_states);
}

bool Filter::asks_for_owners() const {
    return expression && asks_for<OwnerText, OwnerPid>(*expression);
}

bool Filter::asks_for_info() const {
    return expression && asks_for<Idle>(*expression);
}

}  // namespace connleak

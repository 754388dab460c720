// A parsed filter expression. Used by the evaluator and by the compiler of kernel filters.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "diagnosis/model/records.h"
#include "diagnosis/model/report.h"

namespace connleak::filter {

inline constexpr std::uint32_t all_states = 0xffe;  // State's values

enum class Side : std::uint8_t { local, remote };

// These are enough: a > b is not (a <= b), as in ss.
enum class Compare : std::uint8_t { equal, at_least, at_most };

// net.ipv4.ip_local_port_range of a namespace. The values are Linux's defaults.
struct PortRange {
    std::uint16_t low = 32768;
    std::uint16_t high = 60999;
};

// The first `length` bits of an address. Unlike Address it distinguishes ::ffff:a.b.c.d from
// a.b.c.d: an IPv4 pattern matches IPv4 on sockets of both families, a v4-mapped one only on
// AF_INET6 sockets.
struct Prefix {
    Family family = Family::none;  // none: any address
    std::array<std::uint8_t, 16> bytes{};
    std::uint8_t length = 0;  // in bits
};

struct Everything {};
struct InState {
    std::uint32_t states = 0;
};
struct OfFamily {
    bool ipv6 = false;  // the socket's, not the address's
};
struct HasHost {
    Side side = Side::local;
    std::vector<Prefix> any_of;
};
struct HasPort {
    Side side = Side::local;
    Compare compare = Compare::equal;
    std::uint16_t port = 0;
};
// The local port is in the kernel's ephemeral port range.
struct Autobound {};
struct OnDevice {
    std::string name;
    std::optional<std::uint32_t> index;
};
struct HasTimer {
    TimerKind kind = TimerKind::off;
};
struct HasKeepalive {
    Keepalive keepalive = Keepalive::unknown;
};
// Whole seconds since the peer was last heard. Never matches when that is not known.
struct Idle {
    Compare compare = Compare::equal;
    std::int64_t seconds = 0;
};

enum class OwnerField : std::uint8_t { comm, group, unit, user };
struct OwnerText {
    OwnerField field = OwnerField::comm;
    bool part = false;  // true: contains `text`; false: equals it
    std::string text;
};
struct OwnerPid {
    std::int32_t pid = 0;
};

struct Node;

enum class Join : std::uint8_t { and_, or_ };

// Operands joined from left to right, as in ss, whose grammar gives `and` and `or` the same
// precedence: a or b and c is (a or b) and c. A list instead of a tree, so that a long expression
// is not a deep one.
struct Chain {
    std::vector<Node> operands;
    std::vector<Join> joins;  // joins[i] stands before operands[i + 1]
};

using Test = std::variant<Everything, InState, OfFamily, HasHost, HasPort, Autobound, OnDevice,
                          HasTimer, HasKeepalive, Idle, OwnerText, OwnerPid, Chain>;

struct Node {
    bool negated = false;
    Test test;
};

}  // namespace connleak::filter

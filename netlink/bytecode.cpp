#include "netlink/bytecode.h"

#include <linux/inet_diag.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <limits>

namespace connleak::netlink {

namespace {

struct PortRange {
    std::uint16_t low = 0;
    std::uint16_t high = 0;
};

std::vector<PortRange> merge_to_ranges(std::vector<std::uint16_t> ports) {
    std::sort(ports.begin(), ports.end());
    std::vector<PortRange> ranges;
    for (const std::uint16_t port : ports) {
        if (!ranges.empty() && port <= ranges.back().high + 1)
            ranges.back().high = port;
        else
            ranges.push_back({port, port});
    }
    return ranges;
}

// One alternative is "low <= port", "port <= high", "jump to the end". The kernel's auditor
// (inet_diag_bc_audit() in net/ipv4/inet_diag.c) wants that the `yes` ways walk through everything
// in a line, and that a `no` lands on that line, at its end (the socket is accepted) or four bytes
// beyond it (refused). S_EQ and D_EQ would be shorter, and are unknown before Linux 4.16.
constexpr std::size_t op_size = sizeof(inet_diag_bc_op);
constexpr std::size_t comparison_size = 2 * op_size;  // the port rides in a second operation's `no`
constexpr std::size_t alternative_size = 2 * comparison_size + op_size;
constexpr std::size_t refuse = 4;

// Every socket runs through the alternatives one by one. Beyond about this many that costs the
// kernel more than sending the socket would (measured: 1,500 ranges take five times as long as no
// filter), long before the 16 bits of the offsets are used up.
constexpr std::size_t most_ranges = 128;
static_assert(most_ranges * 2 * alternative_size + refuse <=
              std::numeric_limits<std::uint16_t>::max());

class Program {
  public:
    explicit Program(std::size_t alternatives) : bytes_(alternatives * alternative_size) {}

    void add_alternative(std::uint8_t at_least, std::uint8_t at_most, PortRange range) {
        const std::size_t next = written_ + alternative_size;
        const std::size_t otherwise = next == bytes_.size() ? next + refuse : next;
        add_comparison(at_least, range.low, otherwise);
        add_comparison(at_most, range.high, otherwise);
        add_op(INET_DIAG_BC_JMP, op_size, bytes_.size() - written_);
    }

    [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

  private:
    void add_comparison(std::uint8_t code, std::uint16_t port, std::size_t otherwise) {
        add_op(code, comparison_size, otherwise - written_);
        add_op(0, 0, port);
    }

    void add_op(std::uint8_t code, std::size_t yes, std::size_t no) {
        const inet_diag_bc_op op{.code = code,
                                 .yes = static_cast<std::uint8_t>(yes),
                                 .no = static_cast<std::uint16_t>(no)};
        std::memcpy(bytes_.data() + written_, &op, op_size);
        written_ += op_size;
    }

    std::vector<std::uint8_t> bytes_;
    std::size_t written_ = 0;
};

}  // namespace

std::vector<std::uint8_t> compile_port_filter(const std::vector<std::uint16_t>& ports) {
    const std::vector<PortRange> ranges = merge_to_ranges(ports);
    if (ranges.size() > most_ranges) return {};
    Program program(ranges.size() * 2);
    for (const PortRange range : ranges) {
        program.add_alternative(INET_DIAG_BC_S_GE, INET_DIAG_BC_S_LE, range);
        program.add_alternative(INET_DIAG_BC_D_GE, INET_DIAG_BC_D_LE, range);
    }
    return program.take();
}

}  // namespace connleak::netlink

// Filter expressions as sock_diag's bytecode (INET_DIAG_REQ_BYTECODE): small programs that the
// kernel runs on each socket before it sends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "diagnosis/filter/filter.h"

namespace connleak::netlink {

// Every socket runs through the whole program. Beyond about this size that costs the kernel more
// than sending the socket would (measured: one of 60,000 bytes takes five times as long as no
// filter).
inline constexpr std::size_t longest_program = 5120;

// A program that lets pass every socket that the expression can be true of, and of the others as
// many as the kernel cannot judge: it knows addresses, ports and the family; the rest is the
// caller's to test, and states are for SocketQuery::states. Empty when nothing can be left to the
// kernel, or the program would be too long.
std::vector<std::uint8_t> compile_filter(const filter::Node& expression,
                                         const filter::PortRange& local_ports);

}  // namespace connleak::netlink

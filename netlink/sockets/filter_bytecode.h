// Filter expressions as sock_diag's bytecode (INET_DIAG_REQ_BYTECODE): small programs that the
// kernel runs on each socket before it sends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "diagnosis/filter/filter.h"

namespace connleak::netlink {

// The whole program runs for every socket. Above about this size that costs the kernel more than
// sending the socket (measured: a program of 60,000 bytes takes five times as long as no filter).
inline constexpr std::size_t longest_program = 5120;

// A program that passes every socket that the expression can match, and those that the kernel
// cannot decide: it knows addresses, ports and the family. The caller must test the rest. States
// belong in SocketQuery::states. Empty when the kernel can decide nothing, or the program would be
// too long.
std::vector<std::uint8_t> compile_filter(const filter::Node& expression,
                                         const filter::PortRange& local_ports);

}  // namespace connleak::netlink

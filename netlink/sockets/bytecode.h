// sock_diag's filter language (INET_DIAG_REQ_BYTECODE): small programs that the kernel runs on each
// socket before it sends it.
#pragma once

#include <cstdint>
#include <vector>

namespace connleak::netlink {

// A program that accepts sockets whose local or remote port is one of `ports`. Empty when there are
// no ports, or so many scattered ones that filtering in the kernel would be slower.
std::vector<std::uint8_t> compile_port_filter(const std::vector<std::uint16_t>& ports);

}  // namespace connleak::netlink

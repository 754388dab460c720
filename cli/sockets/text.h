// Parts of a socket's line as text, appended to existing text for speed: this runs for every cell.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cli/sockets/columns.h"

namespace connleak::render {

void append_number(std::string& out, std::uint64_t value, int base = 10);
// One end: "10.0.0.1:6379", "0.0.0.0:*"; for a Unix socket its name or "*".
void append_end(const SocketRow& row, const SocketsView& view, bool local, std::string& out);
// Bytes that sort by address, then by port.
void append_end_order(const SocketRow& row, const SocketsView& view, bool local, std::string& out);
// "14625/redis-server", and " +1" for one more.
void append_processes(std::span<const Process* const> processes, std::string& out);
// ("redis-server",pid=14625,fd=15),… as ss prints it.
void append_owners(const SocketRow& row, const Processes& processes, std::string& out);
// "keepalive (254.34/0/0)", as netstat -o; "keepalive,4min14sec,0", as ss -o; "" for no timer.
void append_timer(const Socket& socket, TimerStyle style, std::string& out);

}  // namespace connleak::render

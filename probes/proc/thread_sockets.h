// Finds the socket that a server's thread is waiting for. MySQL and MariaDB use one thread for each
// client and show the thread in the process list. If a row has neither path nor address of the
// client, only the thread's blocked system call leads to the socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// /proc/PID/task/TID/syscall (proc(5)): the number and the first arguments.
struct BlockedCall {
    long number = -1;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};
// std::nullopt for a running thread, and for anything else.
std::optional<BlockedCall> parse_blocked_call(std::string_view text);

// Fills `fd` of the clients that have a `thread_id` and no address. `pid` is the server's pid as
// this process sees it. Requires the privilege to attach by ptrace(2), but does not attach: the
// server is not stopped. Fills nothing if it may not be read.
void find_thread_sockets(std::int32_t pid, std::vector<ServerClient>& clients,
                         const std::string& proc_root = "/proc");

}  // namespace connleak::probes

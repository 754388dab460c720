// Which socket a thread of a server waits at. A server that gives each client a thread of its own
// (MySQL, MariaDB) tells the thread in its process list, and where it tells neither path nor
// address of the client, what the thread waits for is the only way from the one to the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// What /proc/PID/task/TID/syscall says (proc(5)): the number and the first arguments.
struct BlockedCall {
    long number = -1;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};
// std::nullopt for a thread that runs, and for anything else.
std::optional<BlockedCall> parse_blocked_call(std::string_view text);

// Fills `fd` of those clients that have a `thread_id` and no address. `pid` is the server's own, as
// this process sees it. Needs what ptrace(2) needs to attach, and attaches to nobody: the server is
// not stopped. Where it may not be read, nothing is filled.
void find_thread_sockets(std::int32_t pid, std::vector<ServerClient>& clients,
                         const std::string& proc_root = "/proc");

}  // namespace connleak::probes

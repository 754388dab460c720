// Which sockets the given processes hold; read_processes() searches all processes instead.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace connleak::probes {

struct ProcessSockets {
    std::int32_t pid = 0;
    std::string comm;                    // raw bytes
    std::vector<std::uint32_t> sockets;  // inodes of `wanted` that the process holds
};

// In the order of `pids`. A process that has exited, or whose descriptors may not be read, has no
// sockets or is left out.
std::vector<ProcessSockets> sockets_of(const std::vector<std::int32_t>& pids,
                                       const std::unordered_set<std::uint32_t>& wanted,
                                       const std::string& proc_root = "/proc");

}  // namespace connleak::probes

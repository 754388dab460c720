// Which sockets certain processes hold: a look at these alone, where read_processes() looks at all.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace connleak::probes {

struct ProcessSockets {
    std::int32_t pid = 0;
    std::string comm;                    // raw bytes
    std::vector<std::uint32_t> sockets;  // inodes of `wanted` that it holds
};

// In the order of `pids`. A process that went away, or whose descriptors may not be read, has no
// sockets or is left out.
std::vector<ProcessSockets> sockets_of(const std::vector<std::int32_t>& pids,
                                       const std::unordered_set<std::uint32_t>& wanted,
                                       const std::string& proc_root = "/proc");

}  // namespace connleak::probes

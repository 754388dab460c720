// Who holds a socket: the descriptors under /proc/PID/fd joined to processes, and what a person calls
// each of these processes.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "diagnosis/records.h"

namespace connleak::probes {

// Walks the descriptors of every process below `proc_root` ("/proc", or a tree of fixtures) for sockets
// whose inode is in `wanted`, and describes the processes that hold one. A process that goes away
// meanwhile (ENOENT, ESRCH) is left out; one that is hidden (EACCES, EPERM) is counted and all of these are
// one gap. PHP-FPM's pools are filled from `file_root` + the configuration that their master's title names.
Processes read_processes(const std::unordered_set<std::uint32_t>& wanted, const std::string& proc_root = "/proc",
                         const std::string& file_root = "");

}  // namespace connleak::probes

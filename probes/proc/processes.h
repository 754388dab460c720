// The owners of sockets: joins the descriptors under /proc/PID/fd to processes, and finds the group
// of each process.
//
// When /proc changes or refuses access while it is read:
// - ENOENT and ESRCH: the process (or the descriptor) is gone. It is left out, with everything
// found
//   of it, and not reported.
// - EACCES and EPERM: the process is hidden. Hidden processes are counted and make one gap, unless
//   every wanted socket has an owner among the others. Kernel threads and zombies have no
//   descriptors and are never hidden.
// - Any other error: a gap with that error's name, under the same condition.
// - A process is described through the open folder in which its descriptors were found, so that a
//   pid reused meanwhile does not mix up two processes.
// - A /proc that cannot be listed, shows no process at all, or hides the processes of other users
//   (hidepid): a gap.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// Walks the descriptors of every process below `proc_root` ("/proc", or a tree of fixtures) for
// sockets whose inode is in `wanted`, and describes their owners. Reads nothing if `wanted` is
// empty. `pools` has the PHP-FPM pools with a worker among the owners, with all their workers on
// this host; their limits come from `file_root` + the configuration path in their master's title
// (if the master is in another mount namespace and `file_root` is "", from below
// /proc/MASTER/root). Owners of sockets in `beside` are reported only if the process also holds one
// in `wanted`, and a socket in `beside` without an owner is no gap.
Processes read_processes(const std::unordered_set<std::uint32_t>& wanted,
                         const std::string& proc_root = "/proc", const std::string& file_root = "",
                         const std::unordered_set<std::uint32_t>& beside = {});

}  // namespace connleak::probes

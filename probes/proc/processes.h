// Who holds a socket: the descriptors under /proc/PID/fd joined to processes, and what a person
// calls each of these processes.
//
// What happens when /proc changes or refuses while it is read:
// - ENOENT and ESRCH: the process (or the descriptor) went away. It is left out, with all that was
// found of
//   it, and nothing is said.
// - EACCES and EPERM: the process is hidden. The hidden ones are counted and are one gap, unless
//   every socket that was asked for has an owner among the others. Kernel threads and zombies have
//   no descriptors and are never hidden.
// - Any other error: a gap with that error's name, in the same way.
// - A process is described through the folder in which its descriptors were found, held open, so
// that a pid
//   that is used again meanwhile cannot mix two processes.
// - A /proc that cannot be listed, that shows no process at all, or that leaves out those of others
//   (hidepid): a gap.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// Walks the descriptors of every process below `proc_root` ("/proc", or a tree of fixtures) for
// sockets whose inode is in `wanted`, and describes the processes that hold one. Nothing is read
// when `wanted` is empty. `pools` has the PHP-FPM pools of which a worker holds one, with all their
// workers on this host; their limits come from `file_root` + the configuration that their master's
// title names (for a master in another mount namespace, and `file_root` "", from below
// /proc/MASTER/root). Of `beside` it is told who holds them only where that process holds one of
// `wanted`, too, and nothing is missed where nobody does.
Processes read_processes(const std::unordered_set<std::uint32_t>& wanted,
                         const std::string& proc_root = "/proc", const std::string& file_root = "",
                         const std::unordered_set<std::uint32_t>& beside = {});

}  // namespace connleak::probes

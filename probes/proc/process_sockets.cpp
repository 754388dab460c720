#include "probes/proc/process_sockets.h"

#include <utility>

#include "probes/proc/fd_walk.h"
#include "probes/proc/file.h"

namespace connleak::probes {

std::vector<ProcessSockets> sockets_of(const std::vector<std::int32_t>& pids,
                                       const std::unordered_set<std::uint32_t>& wanted,
                                       const std::string& proc_root) {
    std::vector<ProcessSockets> found;
    const auto proc = open_folder(proc_root);
    if (!proc) return found;
    const InodeSet inodes(wanted);
    for (const std::int32_t pid : pids) {
        const auto folder = open_folder(*proc, std::to_string(pid));
        if (!folder) continue;
        ProcessSockets process;
        process.pid = pid;
        process.comm = read_text(*folder, "comm", 64).value_or("");
        if (process.comm.ends_with('\n')) process.comm.pop_back();
        std::vector<Held> held;
        walk_descriptors(*folder, pid, inodes, held);
        for (const Held& each : held) process.sockets.push_back(each.inode);
        found.push_back(std::move(process));
    }
    return found;
}

}  // namespace connleak::probes

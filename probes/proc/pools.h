// PHP-FPM's pools among the processes of a host: their workers counted, their limits read.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"
#include "probes/proc/file.h"

namespace connleak::probes {

struct FpmWorker {
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    std::string pool;
};

// All of the host, whether or not they hold a socket that was looked for.
struct FpmSeen {
    std::vector<FpmWorker> workers;
    std::unordered_map<std::int32_t, std::string>
        masters;  // pid -> configuration, as its title has it
};

// Adds to `result` the pools of which a worker is in result.by_pid, in the order of master and
// name, and a gap for every limit that could not be had.
void add_fpm_pools(const FpmSeen& seen, const Descriptor& proc, const std::string& proc_root,
                   const std::string& file_root, Processes& result);

}  // namespace connleak::probes

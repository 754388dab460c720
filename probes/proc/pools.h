// PHP-FPM's pools among the processes of a host: number of workers and limits.
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

// All of the host, whether or not they hold a wanted socket.
struct FpmSeen {
    std::vector<FpmWorker> workers;
    std::unordered_map<std::int32_t, std::string>
        masters;  // pid -> configuration path from its title
};

// Adds to `result` the pools that have a worker in result.by_pid, ordered by master and name, and a
// gap for every limit that could not be read.
void add_fpm_pools(const FpmSeen& seen, const Descriptor& proc, const std::string& proc_root,
                   const std::string& file_root, Processes& result);

}  // namespace connleak::probes

// Facts about the run that made a report.
#pragma once

#include <cstdint>
#include <string>

namespace connleak {

struct RunFacts {
    std::int64_t generated_at_s = 0;  // seconds since the epoch; 0: not known
    std::string host_name;
    std::string kernel;  // uname(2), release
    std::string boot_id;
    double wall_ms = 0;   // the whole run so far
    double redis_ms = 0;  // the part of it spent asking servers
    std::uint64_t sockets_read = 0;
};

}  // namespace connleak

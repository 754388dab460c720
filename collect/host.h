// Facts about the host that connleak runs on, and its clocks.
#pragma once

#include <cstdint>
#include <string>

namespace connleak::collect {

struct HostFacts {
    std::string name;
    std::string kernel;
    std::string boot_id;  // /proc/sys/kernel/random/boot_id; "" when it cannot be read
};

HostFacts read_host();

// Milliseconds since the epoch.
std::int64_t wall_clock_ms();
// Milliseconds since boot, including suspend (CLOCK_BOOTTIME).
std::int64_t boot_clock_ms();
// Whether the kernel's clock is synchronized (adjtimex(2): not TIME_ERROR).
bool clock_is_synchronized();

}  // namespace connleak::collect

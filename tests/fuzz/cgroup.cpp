// /proc/PID/cgroup: any process that may make a cgroup chooses its name.
#include "probes/proc/cgroup.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto place = connleak::probes::parse_cgroup(text);
    if (place.unit.size() > size || place.container.size() > size) __builtin_trap();
    for (const auto& name : {place.unit, place.container})
        if (name.find('\n') != std::string::npos) __builtin_trap();
    return 0;
}

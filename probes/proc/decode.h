// Decodes the files of /proc/PID (proc(5)) and finds the group of a process. No I/O. A process can
// influence each of these texts, so none is trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/model/records.h"
#include "probes/proc/cgroup.h"

namespace connleak::probes {

struct ProcStat {
    char state = '?';
    std::int32_t parent = 0;
    bool kernel_thread = false;
    std::uint64_t start_ticks = 0;  // since boot
};
// Parses from the last ')', because comm can contain blanks and parentheses.
std::optional<ProcStat> parse_stat(std::string_view text);

// "btime" of /proc/stat: the boot, in seconds since the epoch.
std::optional<std::int64_t> parse_boot_time(std::string_view text);

struct ProcStatus {
    std::uint32_t uid = 0;           // effective
    std::int32_t namespace_pid = 0;  // last value of NSpid; 0 if the kernel is too old to report it
};
ProcStatus parse_status(std::string_view text);

// The soft limit of "Max open files"; std::nullopt also for "unlimited".
std::optional<std::uint64_t> parse_fd_limit(std::string_view text);

// "net:[4026531840]" -> 4026531840; 0 for anything else.
std::uint64_t parse_namespace_link(std::string_view link);

// /proc/PID/cmdline with NULs replaced by blanks and trailing blanks removed (titles are padded).
std::string command_of(std::string_view cmdline);
// The first argument, which is where a process writes its title.
std::string_view title_of(std::string_view cmdline);

struct Group {
    std::string name;
    GroupKind kind = GroupKind::executable;
    friend bool operator==(const Group&, const Group&) = default;
};
// The most specific group that is known: FPM pool, service, container, executable.
Group group_of(std::string_view title, std::string_view comm, const CgroupPath& place);

// If /proc at `mount_point` hides other users' processes from a reader with this `self_status`
// (hidepid=invisible or ptraceable, see proc(5)): the option's value. `mountinfo` and `self_status`
// are the contents of /proc/self/mountinfo and /proc/self/status.
std::optional<std::string> hiding_option(std::string_view mountinfo, std::string_view self_status,
                                         std::string_view mount_point);

}  // namespace connleak::probes

// Decodes a process's cgroup: its systemd unit and its container.
#pragma once

#include <string>
#include <string_view>

namespace connleak::probes {

struct CgroupPath {
    std::string unit;       // innermost systemd unit: "php8.2-fpm.service"; "" for none
    std::string container;  // container id as its engine writes it (Docker, containerd, CRI-O,
                            // Podman), or the name if the cgroup has only that (LXC, LXD, Incus,
                            // systemd-nspawn); "" for none
};

// `text` is the content of /proc/PID/cgroup (cgroup v1, v2 or hybrid), see cgroups(7).
CgroupPath parse_cgroup(std::string_view text);

}  // namespace connleak::probes

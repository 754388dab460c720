#include "probes/proc/cgroup.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace connleak::probes {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// systemd escapes bytes that a unit name cannot contain as \x2d, and puts a "_" before names
// reserved by the kernel. Only printable bytes are unescaped: \x0a stays escaped.
std::string unit_name(std::string_view component) {
    if (component.starts_with('_')) component.remove_prefix(1);
    std::string name;
    name.reserve(component.size());
    for (std::size_t i = 0; i < component.size(); ++i) {
        if (component[i] == '\\' && i + 3 < component.size() && component[i + 1] == 'x') {
            const int high = hex_digit(component[i + 2]);
            const int low = hex_digit(component[i + 3]);
            const int byte = high * 16 + low;
            if (high >= 0 && low >= 0 && byte >= ' ' && byte != 0x7f) {
                name.push_back(static_cast<char>(byte));
                i += 3;
                continue;
            }
        }
        name.push_back(component[i]);
    }
    return name;
}

// The manager of a user's units: it contains all of them, so it identifies none.
bool is_user_manager(std::string_view component) {
    return component.starts_with("user@") && component.ends_with(".service");
}

struct ContainerName {
    std::string_view id;
    bool podman = false;
};

// In all engines the component ends with an id of 64 hex digits: "docker-ID.scope",
// "cri-containerd-ID.scope", "crio-ID.scope", "libpod-ID.scope", "libpod-payload-ID", plain "ID"
// below /docker or /kubepods, and "SLICE:cri-containerd:ID" if containerd is not configured for
// systemd.
ContainerName container_of(std::string_view component) {
    constexpr std::size_t id_length = 64;
    if (component.ends_with(".scope")) component.remove_suffix(6);
    if (component.size() < id_length) return {};
    const std::string_view id = component.substr(component.size() - id_length);
    std::string_view head = component.substr(0, component.size() - id_length);
    if (!std::all_of(id.begin(), id.end(), [](char c) { return hex_digit(c) >= 0; })) return {};
    if (!head.empty()) {
        if (head.back() != '-' && head.back() != ':') return {};
        head.remove_suffix(1);
    }
    if (head.ends_with("conmon")) return {};  // the engine's monitor process, outside the container
    return {id, head.starts_with("libpod") || head == "podman"};
}

// systemd-nspawn and machined: "machine-NAME.scope" or "systemd-nspawn@NAME.service"; processes of
// the container are in "payload" below it, its monitor is in "supervisor". libvirt's virtual
// machines ("machine-qemu\x2d1\x2dNAME.scope") have such scopes too, but no process of a guest runs
// in them.
std::string machine_of(std::string_view component, std::string_view below) {
    constexpr std::string_view scope = "machine-";
    constexpr std::string_view service = "systemd-nspawn@";
    const bool in_payload = below == "payload" || below.starts_with("payload/");
    if (component.starts_with(scope) && component.ends_with(".scope")) {
        const std::string name =
            unit_name(component.substr(scope.size(), component.size() - scope.size() - 6));
        const bool guest = name.starts_with("qemu-");
        return guest || below == "supervisor" ? std::string() : name;
    }
    if (component.starts_with(service) && component.ends_with(".service") && in_payload)
        return unit_name(component.substr(service.size(), component.size() - service.size() - 8));
    return "";
}

CgroupPath place_of_path(std::string_view path) {
    constexpr std::string_view deleted = " (deleted)";
    if (path.ends_with(deleted)) path.remove_suffix(deleted.size());

    CgroupPath place;
    std::string service;
    std::string scope;
    std::string manager;
    std::string_view previous;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view component = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (component.empty()) continue;

        const ContainerName container = container_of(component);
        const std::string machine = machine_of(component, path);
        const bool lxc = previous == "lxc" || previous == "lxc.payload";
        if (!container.id.empty()) {
            place.container = container.id;
        } else if (component.starts_with("lxc.payload.")) {
            place.container = component.substr(12);
        } else if (lxc) {
            place.container = component;
        } else if (!machine.empty()) {
            place.container = machine;
        }
        // A service above a container belongs to the engine, except in Podman, which can run a
        // container as the payload of the service created for it.
        const bool entered = !container.id.empty() || lxc || component.starts_with("lxc.payload.");
        if (entered && !container.podman) {
            service.clear();
            scope.clear();
            manager.clear();
        }
        if (is_user_manager(component)) {
            manager = unit_name(component);
        } else if (component.ends_with(".service")) {
            service = unit_name(component);
        } else if (component.ends_with(".scope") && component != "init.scope") {
            scope = unit_name(component);
        }
        previous = component;
    }
    if (!service.empty()) {
        place.unit = service;
    } else {
        place.unit = scope.empty() ? manager : scope;
    }
    return place;
}

// The order in which lines are trusted to show the unit: the unified hierarchy and systemd's own
// come before the controllers of v1, which may end at a slice.
int rank_of(std::string_view hierarchy, std::string_view controllers) {
    if (controllers == "name=systemd") return 0;
    if (hierarchy == "0" && controllers.empty()) return 1;
    return 2;
}

}  // namespace

CgroupPath parse_cgroup(std::string_view text) {
    std::array<CgroupPath, 3> by_rank;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

        const std::size_t first = line.find(':');
        if (first == std::string_view::npos) continue;
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const int rank = rank_of(line.substr(0, first), line.substr(first + 1, second - first - 1));
        CgroupPath place = place_of_path(line.substr(second + 1));
        CgroupPath& best = by_rank[static_cast<std::size_t>(rank)];
        if (best.unit.empty()) best.unit = std::move(place.unit);
        if (best.container.empty()) best.container = std::move(place.container);
    }
    CgroupPath result;
    for (const CgroupPath& place : by_rank) {
        if (result.container.empty()) result.container = place.container;
    }
    // If one hierarchy shows the container and another only a unit, the unit is the engine's: on a
    // hybrid host Docker leaves the processes in containerd.service of the unified hierarchy.
    for (const CgroupPath& place : by_rank) {
        if (place.container.empty() && !result.container.empty()) continue;
        if (result.unit.empty()) result.unit = place.unit;
    }
    return result;
}

}  // namespace connleak::probes

#include "probes/proc/server_processes.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "diagnosis/model/server_family.h"
#include "probes/proc/decode.h"
#include "probes/proc/fd_walk.h"
#include "probes/proc/file.h"

namespace connleak::probes {

namespace {

constexpr std::size_t server_title_limit = 512;

std::optional<ServerProcess> look_at(const Descriptor& proc, const std::string& name,
                                     const InodeSet& wanted) {
    const auto folder = open_folder(proc, name);
    if (!folder) return std::nullopt;
    const auto comm = read_text(*folder, "comm", 64);
    if (!comm) return std::nullopt;
    const auto* program = find_program(std::string_view(*comm).substr(0, comm->find('\n')));
    if (program == nullptr) return std::nullopt;

    ServerProcess process;
    std::from_chars(name.data(), name.data() + name.size(), process.pid);
    process.kind = program->kind;
    if (const auto stat = read_text(*folder, "stat", 4096)) {
        if (const auto parsed = parse_stat(*stat)) process.parent = parsed->parent;
    }
    process.namespace_pid = process.pid;
    if (const auto status = read_text(*folder, "status", 8192)) {
        const ProcStatus parsed = parse_status(*status);
        if (parsed.namespace_pid != 0) process.namespace_pid = parsed.namespace_pid;
    }
    if (const auto title = read_text(*folder, "cmdline", server_title_limit)) {
        process.title_port = port_of_title(title_of(*title));
        process.title_path = path_of_title(title_of(*title));
    }
    if (const auto netns = read_link(*folder, "ns/net"))
        process.netns = parse_namespace_link(*netns);

    std::vector<Held> held;
    const FdWalk walk = walk_descriptors(*folder, process.pid, wanted, held);
    process.hidden = walk.error != 0;
    for (const Held& each : held) process.listeners.push_back(each.inode);
    return process;
}

}  // namespace

std::optional<std::uint16_t> port_of_title(std::string_view title) {
    const std::size_t blank = title.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    std::string_view place = title.substr(blank + 1);
    place = place.substr(0, place.find(' '));
    const std::size_t colon = place.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view digits = place.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0)
        return std::nullopt;
    return port;
}

std::string path_of_title(std::string_view title) {
    constexpr std::string_view mark = " unixsocket:";
    // A cluster node or a sentinel appends its mode to the title.
    for (const std::string_view mode : {" [cluster]", " [sentinel]"})
        if (title.ends_with(mode)) title.remove_suffix(mode.size());
    const std::size_t at = title.find(mark);
    return at == std::string_view::npos ? std::string()
                                        : std::string(title.substr(at + mark.size()));
}

std::vector<ServerProcess> find_server_processes(const std::unordered_set<std::uint32_t>& listening,
                                                 const std::string& proc_root) {
    std::vector<ServerProcess> found;
    const auto proc = open_folder(proc_root);
    if (!proc) return found;  // read_processes() reports the gap
    const auto listing = open_listing(*proc, ".");
    if (!listing) return found;
    const InodeSet wanted(listening);
    list_folder(*listing, [&](const char* name) {
        if (name[0] < '1' || name[0] > '9') return true;
        if (auto process = look_at(*proc, name, wanted)) found.push_back(std::move(*process));
        return true;
    });
    // A forked child keeps its parent's name until it changes it.
    std::vector<std::int32_t> pids;
    pids.reserve(found.size());
    for (const ServerProcess& process : found) pids.push_back(process.pid);
    std::erase_if(found, [&](const ServerProcess& process) {
        return std::ranges::find(pids, process.parent) != pids.end();
    });
    return found;
}

}  // namespace connleak::probes

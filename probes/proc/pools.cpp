#include "probes/proc/pools.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "probes/proc/decode.h"
#include "probes/proc/php_fpm.h"

namespace connleak::probes {
namespace {

constexpr std::size_t title_limit = 4096;

std::string parent_folder(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

// The configuration that one master uses.
struct MasterConfiguration {
    std::string path;
    FpmConfiguration read;
};

// The folder of this host that is the root of the master's paths. If the master's namespace cannot
// be read, a worker's is used instead.
std::string root_of(const Descriptor& proc, const std::string& proc_root, std::int32_t master,
                    std::int32_t worker) {
    const auto own = read_link(proc, "self/ns/mnt");
    auto its = read_link(proc, std::to_string(master) + "/ns/mnt");
    if (!its) its = read_link(proc, std::to_string(worker) + "/ns/mnt");
    if (!own || !its || *own == *its) return "";
    return proc_root + "/" + std::to_string(master) + "/root";
}

// std::nullopt if the master is gone.
std::optional<MasterConfiguration> configuration_of(const Descriptor& proc,
                                                    const std::string& proc_root,
                                                    const std::string& file_root,
                                                    const std::string& title_path,
                                                    std::int32_t master, std::int32_t worker) {
    const auto folder = open_folder(proc, std::to_string(master));
    if (!folder) return std::nullopt;
    MasterConfiguration configuration{title_path, {}};
    if (!title_path.starts_with('/')) {  // php-fpm -y fpm.conf
        const auto cwd = read_link(*folder, "cwd");
        if (!cwd) {
            if (cwd.error() == ENOENT || cwd.error() == ESRCH) return std::nullopt;
            configuration.read.unread.push_back({title_path, errno_name(cwd.error())});
            return configuration;
        }
        configuration.path = *cwd + "/" + title_path;
    }
    // PHP's prefix is compiled in; the binary is in PREFIX/sbin.
    const auto binary = read_link(*folder, "exe");
    const std::string prefix = binary ? parent_folder(parent_folder(*binary)) : "";
    const std::string root =
        file_root.empty() ? root_of(proc, proc_root, master, worker) : file_root;
    configuration.read = read_fpm_configuration(configuration.path, root, prefix);

    // If the master ended meanwhile, its pid may have been reused, and the data is from another
    // root.
    const auto cmdline = read_text(*folder, "cmdline", title_limit);
    if (!cmdline || fpm_configuration_of_title(title_of(*cmdline)) != title_path)
        return std::nullopt;
    return configuration;
}

}  // namespace

void add_fpm_pools(const FpmSeen& seen, const Descriptor& proc, const std::string& proc_root,
                   const std::string& file_root, Processes& result) {
    using Key = std::pair<std::int32_t, std::string>;  // master, pool
    struct Count {
        std::int32_t workers = 0;
        std::int32_t holder = 0;  // a worker that holds a socket; 0 if none does
    };
    std::map<Key, Count> pools;
    for (const FpmWorker& worker : seen.workers) {
        Count& count = pools[{worker.parent, worker.pool}];
        ++count.workers;
        if (result.by_pid.contains(worker.pid)) count.holder = worker.pid;
    }
    std::erase_if(pools, [](const auto& entry) { return entry.second.holder == 0; });

    std::map<std::int32_t, std::optional<MasterConfiguration>> configurations;
    std::set<std::pair<std::string, std::string>> told;
    const auto tell = [&](const std::string& path, const std::string& error) {
        if (!told.insert({path, error}).second) return;
        result.gaps.push_back(
            {"proc", path, error, "how many workers an FPM pool may have is not known"});
    };
    for (const auto& [key, count] : pools) {
        const auto& [master, name] = key;
        FpmPool pool{name, master, count.workers, std::nullopt};
        const auto title = seen.masters.find(master);
        if (title != seen.masters.end()) {
            const auto [entry, first] = configurations.try_emplace(master);
            if (first) {
                entry->second = configuration_of(proc, proc_root, file_root, title->second, master,
                                                 count.holder);
            }
            if (const auto& configuration = entry->second) {
                const auto& limits = configuration->read.max_children;
                const auto limit = limits.find(name);
                if (limit != limits.end()) {
                    pool.max_children = limit->second;
                } else if (configuration->read.unread.empty()) {
                    tell(configuration->path, "no pm.max_children for pool " + name);
                } else {
                    for (const FpmUnread& unread : configuration->read.unread) {
                        tell(unread.path, unread.error);
                    }
                }
            }
        }
        result.pools.push_back(std::move(pool));
    }
}

}  // namespace connleak::probes

// Finds the network namespaces: those of processes, and those kept alive by a file.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <expected>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "netlink/netns.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

constexpr const char* own_file = "/proc/thread-self/ns/net";
constexpr std::string_view unseen =
    "the connections inside it are missing, and peers there count as out of sight";

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

struct Opened {
    Descriptor descriptor;
    NetnsId id = 0;
};

std::expected<Opened, int> open_netns(const std::string& path) {
    // The file may be anything, such as a pipe: opening it must not block.
    Descriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!descriptor) return std::unexpected(errno);
    struct statfs filesystem {};
    struct stat status {};
    if (fstatfs(descriptor.get(), &filesystem) != 0 || fstat(descriptor.get(), &status) != 0)
        return std::unexpected(errno);
    // An interrupted `ip netns add` leaves an empty file with nothing mounted on it.
    if (filesystem.f_type != NSFS_MAGIC) return std::unexpected(EINVAL);
    return Opened{std::move(descriptor), status.st_ino};
}

std::vector<std::string> names_in(const char* path) {
    std::vector<std::string> names;
    const Directory directory(opendir(path));
    if (!directory) return names;
    // This stream is ours alone, and readdir() is then safe beside other threads (POSIX.1-2024).
    while (const dirent* entry = readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view name = &entry->d_name[0];
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "net:[4026531840]", without opening anything: a host has many processes and few namespaces.
std::expected<NetnsId, int> netns_of_process(const std::string& pid) {
    std::array<char, 64> text{};
    const ssize_t size = readlink(("/proc/" + pid + "/ns/net").c_str(), text.data(), text.size());
    if (size < 0) return std::unexpected(errno);
    const std::string_view link(text.data(), static_cast<std::size_t>(size));
    NetnsId id = 0;
    const std::size_t bracket = link.find('[');
    if (bracket == std::string_view::npos) return std::unexpected(ENOENT);
    std::from_chars(link.data() + bracket + 1, link.data() + link.size(), id);
    return id;
}

// The inode of the process's net/dev, which is unique per namespace (get_proc_task_net() and
// proc_alloc_inum() of the kernel) and readable even for a process that may not be inspected. It
// shows whether a hidden process is in a known namespace.
std::expected<ino_t, int> proc_number(const std::string& process) {
    struct stat status {};
    if (stat(("/proc/" + process + "/net/dev").c_str(), &status) != 0)
        return std::unexpected(errno);
    return status.st_ino;
}

class Search {
  public:
    Search() {
        auto own = open_netns(own_file);
        if (own) {
            known_.insert(own->id);
            if (const auto number = proc_number("thread-self")) known_numbers_.insert(*number);
            result_.found.emplace_back(std::move(own->descriptor), own->id);
        } else {
            result_.gaps.push_back({"netns", own_file, errno_name(own.error()),
                                    "which network namespace this is stays unknown"});
            result_.found.emplace_back(Descriptor(), 0);
        }
    }

    // A namespace first found through a file keeps that name.
    void add_files(const std::string& folder, const std::string& prefix) {
        for (const std::string& name : names_in(folder.c_str())) {
            const std::string path = fmt::format("{}/{}", folder, name);
            auto opened = open_netns(path);
            if (opened)
                add(std::move(*opened), prefix + name, path);
            else if (opened.error() == EACCES || opened.error() == EPERM)
                result_.gaps.push_back(
                    {"netns", path, errno_name(opened.error()), std::string(unseen)});
        }
    }

    void add_processes() {
        bool init_seen = false;
        for (const std::string& pid : names_in("/proc")) {
            if (!is_number(pid)) continue;
            init_seen = init_seen || pid == "1";
            const auto id = netns_of_process(pid);
            if (!id) {
                note_forbidden(pid, id.error());
                continue;
            }
            const std::string path = "/proc/" + pid + "/ns/net";
            if (known_.contains(*id)) {
                const auto found = std::ranges::find(result_.found, *id, &Netns::id);
                if (found != result_.found.end()) found->add_path(path);
                continue;
            }
            auto opened = open_netns(path);
            if (opened)
                add(std::move(*opened), "", path);
            else
                note_forbidden(pid, opened.error());
        }
        std::size_t hidden = 0;
        for (const auto& [pid, failure] : forbidden_) {
            const auto number = proc_number(pid);
            // ENOENT, ESRCH, EINVAL: ended, or a zombie, which is in no namespace any more.
            if (number ? !known_numbers_.contains(*number)
                       : number.error() == EACCES || number.error() == EPERM)
                ++hidden;
        }
        if (hidden > 0)
            result_.gaps.push_back({"netns", fmt::format("{} processes", hidden),
                                    errno_name(forbidden_.front().second),
                                    "they live in network namespaces that cannot be entered; the "
                                    "connections there are missing"});
        // /proc mounted with hidepid=2 shows nothing of other users' processes, not even process 1.
        if (!init_seen)
            result_.gaps.push_back(
                {"netns", "other users' processes", "ENOENT",
                 "/proc does not show them; connections in namespaces of their own "
                 "are missing"});
    }

    void add(Opened opened, const std::string& name, const std::string& path) {
        if (!known_.insert(opened.id).second) return;
        Netns netns(std::move(opened.descriptor), opened.id, name, {path});
        const int failure = netns.identify([&] {
            if (const auto number = proc_number("thread-self")) known_numbers_.insert(*number);
        });
        if (failure != 0)
            result_.gaps.push_back(
                {"netns", netns.label(), errno_name(failure), std::string(unseen)});
        else
            result_.found.push_back(std::move(netns));
    }

    NetnsSearch take() { return std::move(result_); }

  private:
    void note_forbidden(const std::string& pid, int failure) {
        // Anything else means that the process has ended meanwhile.
        if (failure == EACCES || failure == EPERM) forbidden_.emplace_back(pid, failure);
    }

    NetnsSearch result_;
    std::unordered_set<NetnsId> known_;
    std::unordered_set<ino_t> known_numbers_;
    std::vector<std::pair<std::string, int>> forbidden_;
};

std::vector<std::string> paths_for(const std::string& which) {
    constexpr std::string_view docker = "docker/";
    if (which.starts_with(docker)) return {"/run/docker/netns/" + which.substr(docker.size())};
    if (which.find('/') != std::string::npos) return {which};
    std::vector<std::string> paths = {"/run/netns/" + which};
    if (is_number(which)) paths.push_back("/proc/" + which + "/ns/net");
    return paths;
}

}  // namespace

NetnsSearch find_own_netns() {
    return Search().take();
}

NetnsSearch find_all_netns() {
    Search search;
    search.add_files("/run/netns", "");
    search.add_files("/run/docker/netns", "docker/");
    search.add_processes();
    return search.take();
}

NetnsSearch find_netns(const std::string& which) {
    NetnsSearch own = find_own_netns();
    NetnsSearch result;
    int failure = ENOENT;
    for (const std::string& path : paths_for(which)) {
        auto opened = open_netns(path);
        if (!opened) {
            failure = opened.error();
            continue;
        }
        if (opened->id == own.found.front().id()) return own;
        const bool named = !path.starts_with("/proc/");
        Netns netns(std::move(opened->descriptor), opened->id, named ? which : "", {path});
        failure = netns.identify([] {});
        if (failure != 0) break;
        result.found.push_back(std::move(netns));
        return result;
    }
    result.gaps.push_back({"netns", which, errno_name(failure),
                           failure == ENOENT ? "there is no such network namespace"
                                             : "this network namespace cannot be entered"});
    return result;
}

}  // namespace connleak::netlink

#include "probes/proc/processes.h"

#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "probes/proc/cgroup.h"
#include "probes/proc/decode.h"
#include "probes/proc/fd_walk.h"
#include "probes/proc/file.h"
#include "probes/proc/php_fpm.h"
#include "probes/proc/pools.h"

namespace connleak::probes {
namespace {

constexpr std::size_t small_file = 4096;  // also the limit for a command line
constexpr std::size_t large_file = 65536;
constexpr unsigned most_threads = 16;

struct Unread {
    std::int32_t pid = 0;
    int error = 0;
};

// The results of one thread.
struct Harvest {
    std::vector<Held> held;
    std::vector<Process> processes;
    FpmSeen fpm;
    std::vector<Unread> unread;
    std::uint64_t processes_read = 0;
};

bool is_gone(int error) {
    return error == ENOENT || error == ESRCH;
}

std::string text_or_nothing(const Descriptor& folder, const char* name, std::size_t limit) {
    return read_text(folder, name, limit).value_or("");
}

// /proc/stat's btime; if that file is missing (subset=pid), computed from the clocks.
std::int64_t boot_time(const Descriptor& proc) {
    // btime comes after one line for every processor and one line that is as long as there are
    // interrupts.
    if (const auto text = read_text(proc, "stat", std::size_t{4} << 20)) {
        if (const auto seconds = parse_boot_time(*text)) return *seconds;
    }
    timespec now{};
    timespec since_boot{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return now.tv_sec - since_boot.tv_sec;
}

std::string user_name(std::uint32_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(1024);
    while (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < large_file) {
        buffer.resize(buffer.size() * 2);
    }
    return found != nullptr ? std::string(found->pw_name) : std::to_string(uid);
}

class Walker {
  public:
    // `beside`: the sockets of `wanted` that alone do not make a process an owner.
    Walker(const Descriptor& proc, const InodeSet& wanted, const InodeSet& beside,
           std::int64_t boot_time)
        : proc_(proc),
          wanted_(wanted),
          beside_(beside),
          boot_time_(boot_time),
          ticks_(::sysconf(_SC_CLK_TCK)) {}

    void visit(std::int32_t pid, Harvest& harvest) const {
        const auto folder = open_folder(proc_, std::to_string(pid));
        if (!folder) return note_unread(pid, folder.error(), harvest);
        note_fpm(pid, *folder, harvest);

        const std::size_t before = harvest.held.size();
        Descriptor thread;  // the thread with these descriptors, if it is not the first
        FdWalk walk = walk_descriptors(*folder, pid, wanted_, harvest.held);
        if (walk.descriptors == 0) {
            const auto stat = parse_stat(text_or_nothing(*folder, "stat", small_file));
            const bool zombie = stat && (stat->state == 'Z' || stat->state == 'X');
            if (stat && (zombie || stat->kernel_thread)) walk.error = 0;
            if (zombie) walk = walk_other_threads(pid, *folder, thread, harvest);
        }
        if (walk.error != 0) note_unread(pid, walk.error, harvest);
        if (walk.error == 0) ++harvest.processes_read;
        if (std::all_of(harvest.held.begin() + static_cast<std::ptrdiff_t>(before),
                        harvest.held.end(),
                        [&](const Held& held) { return beside_.contains(held.inode); })) {
            harvest.held.resize(before);
            return;
        }
        auto process = describe(pid, *folder, thread.get() >= 0 ? thread : *folder);
        if (process && !is_gone(walk.error)) {
            harvest.processes.push_back(std::move(*process));
        } else {
            harvest.held.resize(before);
        }
    }

  private:
    static void note_unread(std::int32_t pid, int error, Harvest& harvest) {
        if (!is_gone(error)) harvest.unread.push_back({pid, error});
    }

    // The first thread of a process can end before the others. It is then a zombie and shows no
    // descriptors, while the other threads still hold them.
    FdWalk walk_other_threads(std::int32_t pid, const Descriptor& folder, Descriptor& thread,
                              Harvest& harvest) const {
        const auto tasks = open_listing(folder, "task");
        if (!tasks) return {};
        FdWalk walk;
        list_folder(*tasks, [&](const char* name) {
            auto task = open_folder(*tasks, name);
            if (!task) return true;
            walk = walk_descriptors(*task, pid, wanted_, harvest.held);
            if (walk.descriptors == 0) {
                if (is_gone(walk.error)) walk.error = 0;
                return true;
            }
            thread = std::move(*task);
            return false;
        });
        // A process with only this zombie left hides nothing.
        if (walk.descriptors == 0) walk.error = 0;
        return walk;
    }

    static void note_fpm(std::int32_t pid, const Descriptor& folder, Harvest& harvest) {
        const auto cmdline = read_text(folder, "cmdline", small_file);
        if (!cmdline || !cmdline->starts_with("php-fpm: ")) return;
        const std::string_view title = title_of(*cmdline);
        if (auto pool = fpm_pool_of_title(title)) {
            const auto stat = parse_stat(text_or_nothing(folder, "stat", small_file));
            if (stat) harvest.fpm.workers.push_back({pid, stat->parent, std::move(*pool)});
        } else if (auto configuration = fpm_configuration_of_title(title)) {
            harvest.fpm.masters.emplace(pid, std::move(*configuration));
        }
    }

    // std::nullopt if the process is gone.
    [[nodiscard]] std::optional<Process> describe(std::int32_t pid, const Descriptor& folder,
                                                  const Descriptor& thread) const {
        const auto stat = parse_stat(text_or_nothing(folder, "stat", small_file));
        if (!stat) return std::nullopt;
        Process process;
        process.pid = pid;
        process.parent = stat->parent;
        process.start_time =
            boot_time_ +
            static_cast<std::int64_t>(stat->start_ticks / static_cast<std::uint64_t>(ticks_));
        process.comm = text_or_nothing(folder, "comm", small_file);
        if (process.comm.ends_with('\n')) process.comm.pop_back();
        const std::string cmdline = text_or_nothing(thread, "cmdline", small_file);
        process.command = command_of(cmdline);
        const ProcStatus status = parse_status(text_or_nothing(folder, "status", large_file));
        process.uid = status.uid;
        process.namespace_pid = status.namespace_pid > 0 ? status.namespace_pid : pid;
        process.netns = parse_namespace_link(read_link(thread, "ns/net").value_or(""));
        process.fd_limit = parse_fd_limit(text_or_nothing(folder, "limits", large_file));
        CgroupPath place = parse_cgroup(text_or_nothing(folder, "cgroup", large_file));
        Group group = group_of(title_of(cmdline), process.comm, place);
        process.group = std::move(group.name);
        process.group_kind = group.kind;
        process.unit = std::move(place.unit);
        process.container = std::move(place.container);
        return process;
    }

    const Descriptor& proc_;
    const InodeSet& wanted_;
    const InodeSet& beside_;
    std::int64_t boot_time_;
    long ticks_;
};

std::vector<Harvest> walk_all(const Walker& walker, const std::vector<std::int32_t>& pids) {
    const unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1U, most_threads);
    std::vector<Harvest> harvests(std::clamp<std::size_t>(pids.size(), 1, processors));
    std::atomic<std::size_t> next = 0;
    const auto work = [&](Harvest& harvest) {
        for (std::size_t at = next++; at < pids.size(); at = next++)
            walker.visit(pids[at], harvest);
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < harvests.size(); ++i) {
        try {
            threads.emplace_back(work, std::ref(harvests[i]));
        } catch (const std::system_error&) {
            break;  // no more threads can be created: the existing ones do the work
        }
    }
    work(harvests.front());
    threads.clear();  // joins
    return harvests;
}

// One gap for each error, with the number of processes that caused it.
void add_unread(std::vector<Unread> unread, std::vector<Gap>& gaps) {
    std::ranges::sort(unread, {}, &Unread::pid);
    std::map<std::string, std::vector<std::int32_t>> by_error;
    for (const Unread& entry : unread) {
        // hidepid=noaccess returns EPERM where ordinary permissions return EACCES: the same for the
        // user.
        by_error[errno_name(entry.error == EPERM ? EACCES : entry.error)].push_back(entry.pid);
    }
    for (const auto& [error, pids] : by_error) {
        const bool one = pids.size() == 1;
        gaps.push_back({"proc",
                        one ? "pid " + std::to_string(pids.front())
                            : std::to_string(pids.size()) + " processes",
                        error,
                        one ? "whether it holds connections is not known"
                            : "whether they hold connections is not known"});
    }
}

void add_hidden_by_mount(const Descriptor& proc, const std::string& proc_root,
                         std::vector<Gap>& gaps) {
    const auto option = hiding_option(text_or_nothing(proc, "self/mountinfo", std::size_t{4} << 20),
                                      text_or_nothing(proc, "self/status", large_file), proc_root);
    if (!option) return;
    gaps.push_back(
        {"proc", proc_root, "hidepid=" + *option,
         "the processes of other users are not shown, so their connections have no owner"});
}

// Sorted by inode, pid and fd, the order in which owners are stored.
std::vector<Held> merged(std::vector<Harvest>& harvests, Processes& result, FpmSeen& fpm,
                         std::vector<Unread>& unread) {
    std::vector<Held> held = std::move(harvests.front().held);
    std::map<std::uint32_t, std::string> users;
    for (Harvest& harvest : harvests) {
        if (&harvest != &harvests.front()) {
            held.insert(held.end(), harvest.held.begin(), harvest.held.end());
            std::vector<Held>().swap(harvest.held);
        }
        unread.insert(unread.end(), harvest.unread.begin(), harvest.unread.end());
        result.processes_read += harvest.processes_read;
        for (Process& process : harvest.processes) {
            const auto [user, first] = users.try_emplace(process.uid);
            if (first) user->second = user_name(process.uid);
            process.user = user->second;
            result.by_pid.emplace(process.pid, std::move(process));
        }
        std::ranges::move(harvest.fpm.workers, std::back_inserter(fpm.workers));
        fpm.masters.merge(harvest.fpm.masters);
    }
    std::ranges::sort(held);
    return held;
}

}  // namespace

Processes read_processes(const std::unordered_set<std::uint32_t>& wanted,
                         const std::string& proc_root, const std::string& file_root,
                         const std::unordered_set<std::uint32_t>& beside) {
    Processes result;
    if (wanted.empty()) return result;
    const auto no_processes = [&](const std::string& error) {
        result.gaps.push_back(
            {"proc", proc_root, error, "which processes hold the connections is not known"});
        return std::move(result);
    };
    const auto proc = open_folder(proc_root);
    if (!proc) return no_processes(errno_name(proc.error()));

    std::vector<std::int32_t> pids;
    const auto listing = open_listing(*proc, ".");
    if (!listing) return no_processes(errno_name(listing.error()));
    const int error = list_folder(*listing, [&](const char* name) {
        const std::string_view text = name;
        std::int32_t pid = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
        if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && pid > 0)
            pids.push_back(pid);
        return true;
    });
    if (error != 0) return no_processes(errno_name(error));
    if (pids.empty()) return no_processes("no process there");

    FpmSeen fpm;
    std::vector<Held> held;
    std::vector<Unread> unread;
    {
        std::unordered_set<std::uint32_t> both = beside;
        if (!beside.empty()) both.insert(wanted.begin(), wanted.end());
        const InodeSet inodes(beside.empty() ? wanted : both);
        const InodeSet only_beside(beside);
        const Walker walker(*proc, inodes, only_beside, boot_time(*proc));
        auto harvests = walk_all(walker, pids);
        held = merged(harvests, result, fpm, unread);
    }
    add_hidden_by_mount(*proc, proc_root, result.gaps);
    result.owners.reserve(std::min(held.size(), wanted.size()));
    for (auto at = held.begin(); at != held.end();) {
        const auto end =
            std::find_if(at, held.end(), [&](const Held& h) { return h.inode != at->inode; });
        std::vector<Owner>& owners = result.owners[at->inode];
        owners.reserve(static_cast<std::size_t>(end - at));
        for (; at != end; ++at) owners.push_back({at->pid, at->fd});
    }
    // A hidden process matters if a socket has no owner among the others: it may be the owner.
    std::size_t owned = result.owners.size();
    for (const std::uint32_t inode : beside) owned -= result.owners.count(inode);
    if (owned < wanted.size()) add_unread(std::move(unread), result.gaps);
    add_fpm_pools(fpm, *proc, proc_root, file_root, result);
    return result;
}

}  // namespace connleak::probes

#include "cli/sockets/names.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "collect/servers/resolve.h"
#include "diagnosis/model/printable.h"
#include "system/descriptor.h"

namespace connleak::cli {

namespace {

// Calls `each` for every name of every TCP service, a service's main name first.
template <typename Each>
void for_each_service(const Each& each) {
    // No other thread reads services.
    ::setservent(1);  // NOLINT(concurrency-mt-unsafe)
    servent entry{};
    servent* found = nullptr;
    std::array<char, 4096> buffer;
    while (::getservent_r(&entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
        if (std::strcmp(entry.s_proto, "tcp") != 0) continue;
        const std::uint16_t port = ntohs(static_cast<std::uint16_t>(entry.s_port));
        each(port, std::string_view(entry.s_name));
        for (char** alias = entry.s_aliases; *alias != nullptr; ++alias)
            each(port, std::string_view(*alias));
    }
    ::endservent();  // NOLINT(concurrency-mt-unsafe)
}

std::string host_name(const Address& address) {
    sockaddr_storage place{};
    socklen_t size = 0;
    const auto bytes = address.bytes();
    if (address.family() == Family::ipv4) {
        sockaddr_in end{};
        end.sin_family = AF_INET;
        std::memcpy(&end.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&place, &end, size = sizeof end);
    } else {
        sockaddr_in6 end{};
        end.sin6_family = AF_INET6;
        std::memcpy(&end.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&place, &end, size = sizeof end);
    }
    std::array<char, NI_MAXHOST> name{};
    const int status = ::getnameinfo(reinterpret_cast<const sockaddr*>(&place), size, name.data(),
                                     name.size(), nullptr, 0, NI_NAMEREQD);
    return status == 0 ? printable(name.data()) : std::string();
}

// Shared with threads that can outlive the lookup: a resolver can block for long, and a blocked
// thread ends with the process.
struct Lookup {
    std::vector<Address> addresses;
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t finished = 0;
    std::unordered_map<Address, std::string> names;

    void work() {
        for (std::size_t at = next++; at < addresses.size(); at = next++) {
            std::string name = host_name(addresses[at]);
            const std::lock_guard lock(mutex);
            if (!name.empty()) names.emplace(addresses[at], std::move(name));
            if (++finished == addresses.size()) changed.notify_all();
        }
    }
};

// The mount point of cgroup2; "" if it is not mounted.
std::string cgroup_mount() {
    std::ifstream mounts("/proc/self/mounts");
    std::string line;
    while (std::getline(mounts, line)) {
        std::istringstream words(line);
        std::string device, place, type;
        if (words >> device >> place >> type && type == "cgroup2") return place;
    }
    return "";
}

// A cgroup's id is the file handle of its folder (kernfs), see bpf_get_current_cgroup_id(7).
std::string cgroup_path(const Descriptor& mount, const std::string& mount_point, std::uint64_t id) {
    constexpr int kernfs_handle = 0xfe;  // FILEID_KERNFS
    alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof id> bytes{};
    auto* const handle = reinterpret_cast<file_handle*>(bytes.data());
    handle->handle_bytes = sizeof id;
    handle->handle_type = kernfs_handle;
    std::memcpy(bytes.data() + sizeof(file_handle), &id, sizeof id);
    const Descriptor folder(::open_by_handle_at(mount.get(), handle, O_RDONLY | O_CLOEXEC));
    if (!folder) return "";
    std::array<char, 4096> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(folder.get());
    const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
    std::string text(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (!text.starts_with(mount_point)) return "";
    text.erase(0, mount_point.size());
    return text.empty() ? "/" : text;
}

}  // namespace

FilterNames filter_names() {
    FilterNames names;
    names.service = [](std::string_view wanted) {
        std::optional<std::uint16_t> port;
        for_each_service([&](std::uint16_t number, std::string_view name) {
            if (!port && name == wanted) port = number;
        });
        return port;
    };
    names.host = [](std::string_view name) {
        constexpr std::chrono::seconds limit{3};
        return collect::resolve(std::string(name), limit).value_or(std::vector<Address>());
    };
    return names;
}

void resolve_names(std::span<const render::SocketRow> rows, std::chrono::milliseconds limit,
                   render::SocketsView& view) {
    for_each_service([&](std::uint16_t port, std::string_view name) {
        view.services.emplace(port, printable(name));
    });
    std::set<Address> addresses;
    for (const render::SocketRow& row : rows)
        for (const Endpoint& end : {row.socket->tuple.local, row.socket->tuple.remote})
            if (!end.address.is_unspecified()) addresses.insert(end.address);
    if (addresses.empty()) return;

    constexpr std::size_t most_threads = 32;
    const auto lookup = std::make_shared<Lookup>();
    lookup->addresses.assign(addresses.begin(), addresses.end());
    for (std::size_t i = 0; i < std::min(most_threads, addresses.size()); ++i)
        std::thread([lookup] { lookup->work(); }).detach();
    std::unique_lock lock(lookup->mutex);
    lookup->changed.wait_for(lock, limit,
                             [&] { return lookup->finished == lookup->addresses.size(); });
    lookup->next = lookup->addresses.size();  // stop further lookups
    view.hosts = std::move(lookup->names);
    lookup->names.clear();
}

void name_cgroups(std::span<const render::SocketRow> rows, render::SocketsView& view) {
    const std::string mount_point = cgroup_mount();
    const Descriptor mount(::open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount) return;
    std::set<std::uint64_t> ids;
    for (const render::SocketRow& row : rows) ids.insert(row.socket->cgroup_id);
    ids.erase(0);
    for (const std::uint64_t id : ids)
        if (std::string path = cgroup_path(mount, mount_point, id); !path.empty())
            view.cgroups.emplace(id, std::move(path));
}

}  // namespace connleak::cli

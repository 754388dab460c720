#include "probes/proc/unix_reach.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "probes/proc/fd_walk.h"
#include "probes/proc/file.h"

namespace connleak::probes {

namespace {

// Below `root`, as a process with that root directory would resolve it.
std::expected<Descriptor, int> open_in_root(const Descriptor& root, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    Descriptor file(
        static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
    if (!file) return std::unexpected(errno);
    return file;
}

std::expected<Descriptor, int> open_path(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!file) return std::unexpected(errno);
    return file;
}

}  // namespace

std::string unix_path_text(std::int32_t pid, const std::string& name,
                           const std::string& proc_root) {
    if (name.starts_with('/')) return name;
    if (name.starts_with('\0')) {
        std::string text = name;
        std::ranges::replace(text, '\0', '@');
        return text;
    }
    const auto process = open_folder(proc_root + '/' + std::to_string(pid));
    const auto folder =
        process ? read_link(*process, "cwd") : Read<std::string>(std::unexpected(0));
    if (!folder || !folder->starts_with('/')) return name;
    return *folder == "/" ? '/' + name : *folder + '/' + name;
}

std::expected<UnixFile, int> open_unix_file(std::int32_t pid, const std::string& name,
                                            const std::string& proc_root) {
    const std::string path = unix_path_text(pid, name, proc_root);
    if (!path.starts_with('/')) return std::unexpected(ENOENT);
    const auto root = open_path(proc_root + '/' + std::to_string(pid) + "/root");
    auto file = root ? open_in_root(*root, path)
                     : std::expected<Descriptor, int>(std::unexpected(root.error()));
    // No permission, or a kernel before 5.6: the same path from here may be the same file.
    if (!file && (file.error() == EACCES || file.error() == EPERM || file.error() == ENOSYS))
        file = open_path(path);
    if (!file) return std::unexpected(file.error() == ENOTDIR ? ENOENT : file.error());
    struct stat there {};
    if (::fstat(file->get(), &there) != 0) return std::unexpected(errno);
    if (!S_ISSOCK(there.st_mode)) return std::unexpected(ENOENT);
    const bool elsewhere = !leads_to(path, *file);
    return UnixFile{std::move(*file), elsewhere};
}

bool leads_to(const std::string& path, const Descriptor& file) {
    struct stat here {};
    struct stat there {};
    return ::stat(path.c_str(), &here) == 0 && ::fstat(file.get(), &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

bool is_unix_socket(const std::string& path) {
    struct stat there {};
    return ::stat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode);
}

std::expected<UnixRemote, int> unix_remote(const Owner& owner, std::uint64_t cookie) {
    const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, owner.pid, 0)));
    if (!process) return std::unexpected(errno);
    const Descriptor end(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), owner.fd, 0)));
    if (!end) return std::unexpected(errno);
    std::uint64_t its_cookie = 0;
    socklen_t size = sizeof its_cookie;
    if (::getsockopt(end.get(), SOL_SOCKET, SO_COOKIE, &its_cookie, &size) != 0 ||
        its_cookie != cookie)
        return std::unexpected(ESTALE);
    sockaddr_storage address{};
    size = sizeof address;
    if (::getpeername(end.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::unexpected(errno);
    UnixRemote remote;
    const std::size_t length = std::min<std::size_t>(size, sizeof address);
    if (address.ss_family != AF_UNIX || length < offsetof(sockaddr_un, sun_path))
        return std::unexpected(EAFNOSUPPORT);
    remote.name.assign(reinterpret_cast<const char*>(&address) + offsetof(sockaddr_un, sun_path),
                       length - offsetof(sockaddr_un, sun_path));
    // A path ends at its NUL, an abstract name at its last byte.
    if (!remote.name.starts_with('\0')) remote.name.resize(std::strlen(remote.name.c_str()));
    ucred credentials{};
    size = sizeof credentials;
    if (::getsockopt(end.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
        remote.pid = credentials.pid;
    return remote;
}

bool holds_any(std::int32_t pid, const std::unordered_set<std::uint32_t>& inodes,
               const std::string& proc_root) {
    const auto folder = open_folder(proc_root + '/' + std::to_string(pid));
    if (!folder) return false;
    std::vector<Held> held;
    walk_descriptors(*folder, pid, InodeSet(inodes), held);
    return !held.empty();
}

}  // namespace connleak::probes

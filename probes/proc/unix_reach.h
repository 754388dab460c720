// Unix sockets as their processes see them: a path belongs to the mount namespace and the working
// directory of the process that bound it. When a peer is gone, only the descriptor of the remaining
// end still tells what it was connected to.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <unordered_set>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::probes {

struct UnixFile {
    Descriptor file;         // of the socket's file, used only to connect through /proc/self/fd
    bool elsewhere = false;  // from here the same path leads to another file or to none
};

// Opens the file that process `pid` bound as `name`. Never leaves the process's root directory,
// whatever the symbolic links there (openat2(2), RESOLVE_IN_ROOT). The error is an errno: ENOENT if
// the socket is gone.
std::expected<UnixFile, int> open_unix_file(std::int32_t pid, const std::string& name,
                                            const std::string& proc_root = "/proc");

// Whether the path leads to this file from here: by its own name, a link, or a container's volume.
bool leads_to(const std::string& path, const Descriptor& file);

// `name` as a person would write it: a path relative to the working directory of `pid` is made
// absolute; an abstract name has "@" for its NULs.
std::string unix_path_text(std::int32_t pid, const std::string& name,
                           const std::string& proc_root = "/proc");

// Whether this is the path of a socket file, seen from here.
bool is_unix_socket(const std::string& path);

// The address that the socket behind another process's descriptor was connected to. The descriptor
// is borrowed briefly (pidfd_getfd(2)) and only queried. Only for sockets whose peer is gone, so
// that an owner's close() delayed by us keeps no peer waiting. The error is an errno: ESTALE if the
// descriptor now refers to another socket.
std::expected<UnixRemote, int> unix_remote(const Owner& owner, std::uint64_t cookie);

// Whether the process holds one of these sockets; false for an unreadable process.
bool holds_any(std::int32_t pid, const std::unordered_set<std::uint32_t>& inodes,
               const std::string& proc_root = "/proc");

}  // namespace connleak::probes

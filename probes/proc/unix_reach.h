// Unix sockets from where their processes stand: a path is of the mount namespace and the working
// directory of the process that bound it, and only an end's own descriptor still tells where it was
// connected to once its other end is gone.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <unordered_set>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::probes {

struct UnixFile {
    Descriptor file;         // of the socket's file, only to be connected to by /proc/self/fd
    bool elsewhere = false;  // the same path leads to another file, or none, from here
};

// The file behind the path `name` that process `pid` bound. Never leaves the process's own root
// directory, whatever symbolic links there say (openat2(2), RESOLVE_IN_ROOT). The errno: ENOENT
// when there is no such socket any more.
std::expected<UnixFile, int> open_unix_file(std::int32_t pid, const std::string& name,
                                            const std::string& proc_root = "/proc");

// Whether the path leads to this file from here: by its own name, a link, a volume of a container.
bool leads_to(const std::string& path, const Descriptor& file);

// `name` as a person would write it: a path that is relative to the working directory of `pid` made
// absolute, an abstract name with "@" for its NULs.
std::string unix_path_text(std::int32_t pid, const std::string& name,
                           const std::string& proc_root = "/proc");

// Whether that is the path of a socket's file, seen from here.
bool is_unix_socket(const std::string& path);

// Where the socket behind this descriptor of another process was connected to. It is borrowed for a
// moment (pidfd_getfd(2)) and nothing is done with it but to ask; only for ends whose other end is
// gone, so that a close() that waits for us keeps nobody waiting. The errno: ESTALE when the
// descriptor is another socket by now.
std::expected<UnixRemote, int> unix_remote(const Owner& owner, std::uint64_t cookie);

// Whether the process holds one of these sockets. An unreadable process holds none.
bool holds_any(std::int32_t pid, const std::unordered_set<std::uint32_t>& inodes,
               const std::string& proc_root = "/proc");

}  // namespace connleak::probes

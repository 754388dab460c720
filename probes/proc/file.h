// Files and folders relative to an open folder. Needed for /proc: if a pid is reused meanwhile, two
// processes are not mixed up. Errors are errno values.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <expected>
#include <string>
#include <utility>

#include "system/descriptor.h"
#include "system/errno_name.h"

namespace connleak::probes {

template <typename T>
using Read = std::expected<T, int>;

// Opens a folder, only to open other things in it.
Read<Descriptor> open_folder(const std::string& path);
Read<Descriptor> open_folder(const Descriptor& folder, const std::string& name);
// Opens a folder for listing.
Read<Descriptor> open_listing(const Descriptor& folder, const std::string& name);

// At most `limit` bytes from the start of the file.
Read<std::string> read_text(const Descriptor& file, std::size_t limit);
Read<std::string> read_text(const Descriptor& folder, const std::string& name, std::size_t limit);

// The target of a symbolic link, without following it.
Read<std::string> read_link(const Descriptor& folder, const std::string& name);

// Calls `visit` with the name (const char*) of every entry but "." and "..", until it returns
// false. Returns 0 or the error that ended the listing.
template <typename Visit>
int list_folder(const Descriptor& listing, Visit visit) {
    alignas(dirent64) std::array<char, 32768> buffer;
    while (true) {
        const ssize_t size = ::getdents64(listing.get(), buffer.data(), buffer.size());
        if (size < 0) return errno;
        if (size == 0) return 0;
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
            at += entry->d_reclen;
            const char* name = entry->d_name;
            if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
                continue;
            if (!visit(name)) return 0;
        }
    }
}

}  // namespace connleak::probes

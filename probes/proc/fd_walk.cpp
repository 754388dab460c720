#include "probes/proc/fd_walk.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

namespace connleak::probes {

InodeSet::InodeSet(const std::unordered_set<std::uint32_t>& inodes)
    : slots_(std::bit_ceil(2 * inodes.size() + 2)), mask_(slots_.size() - 1) {
    for (const std::uint32_t inode : inodes) {
        if (inode == 0) continue;
        std::size_t at = slot(inode);
        while (slots_[at] != 0) at = (at + 1) & mask_;
        slots_[at] = inode;
    }
}

std::optional<std::uint32_t> socket_inode(std::string_view link) {
    constexpr std::string_view prefix = "socket:[";
    if (!link.starts_with(prefix)) return std::nullopt;
    const char* const end = link.data() + link.size();
    std::uint32_t inode = 0;
    const auto [rest, error] = std::from_chars(link.data() + prefix.size(), end, inode);
    if (error != std::errc() || end - rest != 1 || *rest != ']') return std::nullopt;
    return inode;
}

FdWalk walk_descriptors(const Descriptor& folder, std::int32_t pid, const InodeSet& wanted,
                        std::vector<Held>& held) {
    FdWalk walk;
    const auto listing = open_listing(folder, "fd");
    if (!listing) {
        walk.error = listing.error();
        return walk;
    }
    int link_error = 0;
    const int list_error = list_folder(*listing, [&](const char* name) {
        std::int32_t fd = 0;
        const char* const name_end = name + std::strlen(name);
        const auto parsed = std::from_chars(name, name_end, fd);
        if (parsed.ec != std::errc() || parsed.ptr != name_end) return true;
        std::array<char, 32> link;  // a longer link is truncated, and is not a socket's
        const ssize_t size = ::readlinkat(listing->get(), name, link.data(), link.size());
        if (size < 0) {
            if (errno == ENOENT) return true;
            link_error = errno;
            return false;
        }
        ++walk.descriptors;
        const auto inode = socket_inode({link.data(), static_cast<std::size_t>(size)});
        if (inode && wanted.contains(*inode)) held.push_back({*inode, pid, fd});
        return true;
    });
    walk.error = link_error != 0 ? link_error : list_error;
    return walk;
}

}  // namespace connleak::probes

#include "probes/proc/file.h"

#include <fcntl.h>
#include <sys/types.h>

#include <algorithm>
#include <climits>
#include <cstring>

namespace connleak::probes {
namespace {

Read<Descriptor> opened(int fd) {
    if (fd < 0) return std::unexpected(errno);
    return Descriptor(fd);
}

}  // namespace

Read<Descriptor> open_folder(const std::string& path) {
    return opened(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Read<Descriptor> open_folder(const Descriptor& folder, const std::string& name) {
    return opened(::openat(folder.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Read<Descriptor> open_listing(const Descriptor& folder, const std::string& name) {
    return opened(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Read<std::string> read_text(const Descriptor& file, std::size_t limit) {
    std::string text;
    while (text.size() < limit) {
        constexpr std::size_t step = 4096;
        const std::size_t before = text.size();
        text.resize(std::min(before + step, limit));
        const ssize_t size = ::read(file.get(), text.data() + before, text.size() - before);
        const int error = errno;
        text.resize(before + (size > 0 ? static_cast<std::size_t>(size) : 0));
        if (size == 0) break;
        if (size < 0 && error != EINTR) return std::unexpected(error);
    }
    return text;
}

Read<std::string> read_text(const Descriptor& folder, const std::string& name, std::size_t limit) {
    // A fixture tree, or a mount over a file of /proc, can contain a FIFO: never block on it.
    const auto file =
        opened(::openat(folder.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file) return std::unexpected(file.error());
    return read_text(*file, limit);
}

Read<std::string> read_link(const Descriptor& folder, const std::string& name) {
    std::array<char, PATH_MAX> target;
    const ssize_t size = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
    if (size < 0) return std::unexpected(errno);
    return std::string(target.data(), static_cast<std::size_t>(size));
}

}  // namespace connleak::probes

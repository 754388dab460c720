#include "netlink/proc_file.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

#include "system/descriptor.h"

namespace connleak::netlink {

std::expected<std::string, int> read_proc_file(const char* path) {
    const Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return std::unexpected(errno);
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
        const ssize_t size = read(file.get(), part.data(), part.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return std::unexpected(errno);
        if (size == 0) return text;
        text.append(part.data(), static_cast<std::size_t>(size));
    }
}

}  // namespace connleak::netlink

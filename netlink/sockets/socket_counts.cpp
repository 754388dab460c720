#include "netlink/sockets/socket_counts.h"

#include <fcntl.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace connleak::netlink {

namespace {

Descriptor open_file(const char* path) {
    return Descriptor(open(path, O_RDONLY | O_CLOEXEC));
}

std::string read_whole(const Descriptor& file) {
    std::array<char, 1024> text{};  // both files have only a few short lines
    const ssize_t size = file ? pread(file.get(), text.data(), text.size(), 0) : -1;
    return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

// The number after `name` on the line that begins with `line`.
std::optional<std::uint64_t> number_in(const std::string& text, std::string_view line,
                                       std::string_view name) {
    std::size_t at = text.find(line);
    if (at == std::string::npos) return std::nullopt;
    const std::size_t end = text.find('\n', at);
    at = text.find(name, at + line.size());
    if (at == std::string::npos || at > end) return std::nullopt;
    std::uint64_t number = 0;
    const char* const digits = text.data() + at + name.size();
    if (std::from_chars(digits, text.data() + text.size(), number).ec != std::errc{})
        return std::nullopt;
    return number;
}

}  // namespace

SocketCounts SocketCounts::open_here() {
    SocketCounts counts;
    counts.ipv4_ = open_file("/proc/thread-self/net/sockstat");
    counts.ipv6_ = open_file("/proc/thread-self/net/sockstat6");
    return counts;
}

SocketCounts::Occupied SocketCounts::read() const {
    const std::string ipv4 = read_whole(ipv4_);
    const auto in_use = number_in(ipv4, "TCP:", " inuse ");
    const auto in_use_6 = number_in(read_whole(ipv6_), "TCP6:", " inuse ");
    // TIME-WAIT is counted separately, for both families together.
    if (number_in(ipv4, "TCP:", " tw ") != 0U) return {};
    // SYN-RECV sockets are not counted. They exist only with their listener, and an IPv6 listener
    // also has those of IPv4 clients.
    return {.ipv4 = in_use != 0U || in_use_6 != 0U, .ipv6 = in_use_6 != 0U};
}

}  // namespace connleak::netlink

#include "netlink/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <exception>
#include <thread>
#include <utility>

namespace connleak::netlink {

namespace {

constexpr std::size_t most_paths = 4;

// Of the calling thread's namespace; 0 if the kernel does not report it.
std::uint64_t cookie_here() {
#ifdef SO_NETNS_COOKIE
    constexpr int netns_cookie = SO_NETNS_COOKIE;
#else
    constexpr int netns_cookie = 71;  // asm-generic/socket.h
#endif
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, netns_cookie, &cookie, &size) != 0)
        return 0;
    return cookie;
}

}  // namespace

Netns::Netns(Descriptor descriptor, NetnsId id, std::string name, std::vector<std::string> paths)
    : descriptor_(std::move(descriptor)),
      id_(id),
      name_(std::move(name)),
      paths_(std::move(paths)) {}

Netns::Netns(Descriptor descriptor, NetnsId id)
    : descriptor_(std::move(descriptor)), id_(id), own_(true) {}

std::string Netns::label() const {
    return name_.empty() ? fmt::format("netns {}", id_) : "netns " + name_;
}

void Netns::add_path(std::string path) {
    if (paths_.size() < most_paths) paths_.push_back(std::move(path));
}

std::expected<Descriptor, int> Netns::open_again() const {
    int failure = ENOENT;
    for (const std::string& path : paths_) {
        Descriptor again(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        struct stat status {};
        if (!again || ::fstat(again.get(), &status) != 0) {
            if (errno != ENOENT && errno != ESRCH) failure = errno;
        } else if (status.st_ino == id_) {
            return again;
        }
    }
    return std::unexpected(failure);
}

int Netns::identify(const std::function<void()>& work) {
    std::uint64_t cookie = 0;
    const int failure = run([&] {
        cookie = cookie_here();
        work();
    });
    if (failure == 0) cookie_ = cookie;
    return failure;
}

int Netns::run(const std::function<void()>& work) const {
    if (own_) {
        work();
        return 0;
    }
    Descriptor opened;
    if (!descriptor_) {
        auto again = open_again();
        if (!again) return again.error();
        opened = std::move(*again);
    }
    const int descriptor = descriptor_ ? descriptor_.get() : opened.get();
    int failure = 0;
    std::exception_ptr thrown;
    // setns(2) affects only the calling thread, and the change ends with the thread.
    std::thread([&] {
        if (setns(descriptor, CLONE_NEWNET) != 0) {
            failure = errno;
            return;
        }
        if (cookie_ != 0 && cookie_here() != cookie_) {
            failure = ESTALE;
            return;
        }
        try {
            work();
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown) std::rethrow_exception(thrown);
    return failure;
}

}  // namespace connleak::netlink

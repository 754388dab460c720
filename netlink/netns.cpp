#include "netlink/netns.h"

#include <fmt/format.h>
#include <sched.h>

#include <cerrno>
#include <exception>
#include <thread>

namespace connleak::netlink {

Netns::Netns(Descriptor descriptor, NetnsId id, std::string name, bool own)
    : descriptor_(std::move(descriptor)), id_(id), name_(std::move(name)), own_(own) {}

std::string Netns::label() const {
    return name_.empty() ? fmt::format("netns {}", id_) : "netns " + name_;
}

int Netns::run(const std::function<void()>& work) const {
    if (own_) {
        work();
        return 0;
    }
    int failure = 0;
    std::exception_ptr thrown;
    // setns(2) moves the calling thread alone, and a thread that ends takes the change with it.
    std::thread([&] {
        if (setns(descriptor_.get(), CLONE_NEWNET) != 0) {
            failure = errno;
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

// Network namespaces and real sockets for the tests of netlink/: everything lives in namespaces
// that the test made, and ends with the objects that hold it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "system/descriptor.h"

// Making a namespace needs CAP_SYS_ADMIN.
#define NEEDS_ROOT() \
    if (geteuid() != 0) GTEST_SKIP() << "needs root: makes network namespaces"

namespace connleak::netlink::lab {

// A new namespace with lo up. No name in the file system: it goes when the last descriptor goes.
Netns make_netns();

// A shell command inside a namespace; throws when it fails.
void shell(const Netns& netns, const std::string& command);
// Runs inside the namespace and returns what `work` returns.
template <typename Work>
auto inside(const Netns& netns, Work&& work) {
    decltype(work()) result;
    const int failure = netns.run([&] { result = work(); });
    EXPECT_EQ(failure, 0);
    return result;
}

Endpoint endpoint(const std::string& text);

struct Options {
    bool ipv6 = false;        // an AF_INET6 socket, for IPv4 addresses then v4-mapped
    std::string device = {};  // SO_BINDTODEVICE
};

// Both throw on failure. Port 0 lets the kernel choose.
Descriptor listen_on(const Netns& netns, const Endpoint& local, const Options& options = {});
// `wait`: for the connection to be established; without it the handshake is only begun.
Descriptor connect_to(const Netns& netns, const Endpoint& remote, const Options& options = {},
                      bool wait = true);
Descriptor accept_from(const Descriptor& listener);

Endpoint local_of(const Descriptor& socket);
Endpoint remote_of(const Descriptor& socket);
Tuple tuple_of(const Descriptor& socket);

// Calls `done` until it is true, for five seconds at most.
template <typename Done>
bool wait_until(Done&& done) {
    for (int i = 0; i < 1000; ++i) {
        if (done()) return true;
        usleep(5000);
    }
    return false;
}

}  // namespace connleak::netlink::lab

#include "tests/unit/netlink/lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace connleak::netlink::lab {

namespace {

[[noreturn]] void fail(const std::string& doing) {
    throw std::system_error(errno, std::generic_category(), doing);
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_kernel(const Endpoint& from, bool ipv6) {
    SocketAddress address;
    const auto bytes = from.address.bytes();
    if (!ipv6 && bytes.size() == 4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(from.port);
        std::memcpy(&in.sin_addr, bytes.data(), 4);
        std::memcpy(&address.storage, &in, sizeof(in));
        address.size = sizeof(in);
        return address;
    }
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(from.port);
    if (bytes.size() == 16) {
        std::memcpy(&in6.sin6_addr, bytes.data(), 16);
    } else {
        in6.sin6_addr.s6_addr[10] = 0xff;
        in6.sin6_addr.s6_addr[11] = 0xff;
        std::memcpy(&in6.sin6_addr.s6_addr[12], bytes.data(), 4);
    }
    std::memcpy(&address.storage, &in6, sizeof(in6));
    address.size = sizeof(in6);
    return address;
}

Endpoint from_kernel(const SocketAddress& address) {
    if (address.storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &address.storage, sizeof(in));
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
        return {Address::from_bytes(bytes), ntohs(in.sin_port)};
    }
    sockaddr_in6 in6{};
    std::memcpy(&in6, &address.storage, sizeof(in6));
    return {Address::from_bytes(in6.sin6_addr.s6_addr), ntohs(in6.sin6_port)};
}

Descriptor open_socket(const Netns& netns, bool ipv6, const Options& options, int flags) {
    Descriptor opened;
    const int failure = netns.run([&] {
        opened =
            Descriptor(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    });
    if (failure != 0 || !opened) fail("socket");
    if (!options.device.empty() &&
        setsockopt(opened.get(), SOL_SOCKET, SO_BINDTODEVICE, options.device.c_str(),
                   static_cast<socklen_t>(options.device.size())) != 0)
        fail("SO_BINDTODEVICE");
    return opened;
}

bool wants_ipv6(const Endpoint& endpoint, const Options& options) {
    return options.ipv6 || endpoint.address.family() == Family::ipv6;
}

}  // namespace

Netns make_netns() {
    Descriptor made;
    std::thread([&] {
        if (unshare(CLONE_NEWNET) == 0)
            made = Descriptor(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    struct stat status {};
    if (!made || fstat(made.get(), &status) != 0) fail("making a network namespace");
    Netns netns(std::move(made), status.st_ino, "", {});
    shell(netns, "ip link set lo up");
    return netns;
}

void shell(const Netns& netns, const std::string& command) {
    const int status = inside(netns, [&] { return std::system(command.c_str()); });  // NOLINT
    if (status != 0) throw std::runtime_error("failed: " + command);
}

Endpoint endpoint(const std::string& text) {
    return Endpoint::parse(text).value();
}

Descriptor listen_on(const Netns& netns, const Endpoint& local, const Options& options) {
    const bool ipv6 = wants_ipv6(local, options);
    Descriptor listener = open_socket(netns, ipv6, options, 0);
    const int on = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    SocketAddress address = to_kernel(local, ipv6);
    if (bind(listener.get(), address.get(), address.size) != 0) fail("bind " + local.text());
    if (listen(listener.get(), 1024) != 0) fail("listen");
    return listener;
}

Descriptor connect_to(const Netns& netns, const Endpoint& remote, const Options& options,
                      bool wait) {
    const bool ipv6 = wants_ipv6(remote, options);
    Descriptor client = open_socket(netns, ipv6, options, wait ? 0 : SOCK_NONBLOCK);
    SocketAddress address = to_kernel(remote, ipv6);
    if (connect(client.get(), address.get(), address.size) != 0 && (wait || errno != EINPROGRESS))
        fail("connect " + remote.text());
    return client;
}

Descriptor accept_from(const Descriptor& listener) {
    Descriptor accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted) fail("accept");
    return accepted;
}

Endpoint local_of(const Descriptor& socket) {
    SocketAddress address;
    if (getsockname(socket.get(), address.get(), &address.size) != 0) fail("getsockname");
    return from_kernel(address);
}

Endpoint remote_of(const Descriptor& socket) {
    SocketAddress address;
    if (getpeername(socket.get(), address.get(), &address.size) != 0) fail("getpeername");
    return from_kernel(address);
}

Tuple tuple_of(const Descriptor& socket) {
    return {local_of(socket), remote_of(socket)};
}

}  // namespace connleak::netlink::lab

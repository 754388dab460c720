// The kernel's TCP socket tables through sock_diag(7): dumps with a port filter that the kernel
// itself evaluates, and exact lookups of one connection.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"

namespace connleak::netlink {

struct Error {
    int code = 0;      // errno
    std::string what;  // "sock_diag dump of IPv4: EPERM"
};

struct SocketQuery {
    std::uint32_t states = 0xffffffff;  // state_bit(); all by default
    // Sockets whose local or remote port is one of these; empty: every socket.
    // Spelled out for GCC 12, which warns where a designated initializer leaves it to its default.
    std::vector<std::uint16_t> ports = {};  // NOLINT(readability-redundant-member-init)
    bool with_info = true;  // tcp_info; without it a dump is about a third of the size
    bool with_memory = false;
    // Bytecode used instead of the one for `ports` (filter_bytecode.h). A kernel that does not
    // understand it sends everything, so the caller must apply the same filter.
    std::vector<std::uint8_t> program = {};  // NOLINT(readability-redundant-member-init)
};

struct Dump {
    std::vector<Socket> sockets;  // no duplicates (by cookie)
    std::optional<Error> error;   // the dump failed or broke off: `sockets` is incomplete
};

// The socket tables of one namespace. Holds one netlink socket opened in it, so calls after open()
// can come from any thread, one at a time. Every read has a time limit.
class SocketTable {
  public:
    static std::expected<SocketTable, Error> open(const Netns& netns);
    SocketTable(SocketTable&&) noexcept;
    SocketTable& operator=(SocketTable&&) noexcept;
    ~SocketTable();

    // IPv4 and IPv6. A dump is not a snapshot: under churn the kernel can omit live sockets.
    [[nodiscard]] Dump dump(const SocketQuery& query);

    // The socket with exactly this tuple, in any state but LISTEN. Includes a socket bound to one
    // of `interfaces` (SO_BINDTODEVICE, VRF), which the kernel finds only if that ifindex is given.
    // std::nullopt: no such socket. Needs no privileges.
    [[nodiscard]] std::expected<std::optional<Socket>, Error> lookup(
        const Tuple& tuple, const std::vector<std::uint32_t>& interfaces);

  private:
    struct Impl;
    explicit SocketTable(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::netlink

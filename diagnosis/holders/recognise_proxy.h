// Recognises a proxy, as opposed to an application that listens and uses a server. The result only
// names holders; no verdict depends on it.
//
// Evidence, and why it is safe:
// - Bytes. A relay sends to the server what it reads from its client, and the other way round, so
//   the kernel's byte counts of both sockets agree exactly in both directions. An application's
//   requests and its queries to a server differ in length. For one connection both sums can agree
//   with another's by chance, for most connections they cannot. So at least half of the used
//   connections to the server must have such a counterpart.
// - Sums of bytes, for a proxy that shares few connections among many clients: all bytes of its
//   clients equal all bytes of its connections. The bytes of closed clients are missing, so this
//   recognises only some proxies.
// - The program's name, for programs that are only proxies. It shows that the process is a proxy,
//   not where its clients connect: for that there must be only one listener, or the times must
//   agree.
// - Times alone (last data read here and sent there) prove nothing about an unknown program: an
//   application queries its server when it is queried itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/proxy_records.h"
#include "diagnosis/model/records.h"

namespace connleak {

// How a program relays its clients' data.
enum class ProxyProgram : std::uint8_t {
    no,          // not known as a proxy
    one_to_one,  // one connection to a server per client
    pooled,      // few connections for many clients
    either,      // depends on its configuration
};

// By its comm (proc_pid_comm(5), at most 15 bytes).
ProxyProgram proxy_program(std::string_view comm);

// A process that listens and holds connections to a server.
struct ProxyCandidate {
    std::int32_t pid = 0;
    std::string comm;
    std::vector<ProxyListener> listening;
    // Its sockets, read at the same moment, with tcp_info.
    std::vector<Socket> accepted;  // on `listening`, not from the process itself
    std::vector<Socket> upstream;  // to the report's servers
    std::int64_t slack_ms = 0;     // how long reading them took
};

// std::nullopt: no evidence that it is a proxy. Netns and inode of the clients' own sockets are not
// filled.
std::optional<Proxy> recognise_proxy(const ProxyCandidate& candidate);

}  // namespace connleak

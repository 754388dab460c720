// Tells a proxy from an application that listens and uses a server. It names holders and nothing
// else: no verdict is concluded from it.
//
// The evidence, and why it is safe:
// - Bytes. What a relay reads from its client it sends to the server, and back: the kernel's counts
//   of both sockets agree, in both directions, to the byte. An application's requests and those
//   that it sends to a server have different lengths; that both sums of one of its connections are
//   by chance those of another is possible, that of most is not. So at least half of the
//   connections to the server that were used must have such a counterpart.
// - Sums of bytes, for a proxy that shares few connections among many clients: everything that all
//   its clients sent and got is what all its connections sent and got. A client that has closed
//   took its part with it, and so this recognises only some.
// - The program's name, for those that do nothing else. It says that the process is a proxy, not
//   where its clients come in: for that there must be one place only, or the moments must agree.
// - Moments alone (last data read here and sent there) show nothing of an unknown program: an
//   application asks its server when it is asked itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/proxy_records.h"
#include "diagnosis/model/records.h"

namespace connleak {

// How a program carries what its clients send.
enum class ProxyProgram : std::uint8_t {
    no,          // not known as a proxy
    one_to_one,  // a connection to a server for each client
    pooled,      // few connections for many clients
    either,      // as it is configured
};

// By its comm (proc_pid_comm(5)): 15 bytes at most.
ProxyProgram proxy_program(std::string_view comm);

// A process that holds connections to a server, and listens.
struct ProxyCandidate {
    std::int32_t pid = 0;
    std::string comm;
    std::vector<ProxyListener> listening;
    // Sockets that it holds, read at the same moment, with tcp_info.
    std::vector<Socket> accepted;  // on `listening`, and not from itself
    std::vector<Socket> upstream;  // to the report's servers
    std::int64_t slack_ms = 0;     // how long it took to read them
};

// std::nullopt: nothing shows that it is one. The clients are without their own sockets.
std::optional<Proxy> recognise_proxy(const ProxyCandidate& candidate);

}  // namespace connleak

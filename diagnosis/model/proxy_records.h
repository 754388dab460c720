// A proxy between clients and a server: a process that accepts connections, holds connections to
// the server, and relays bytes between the two.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak {

// How a process was recognised as a proxy.
enum class ProxySign : std::uint8_t {
    traffic,  // the kernel's byte counts of both sides agree, in both directions
    program,  // its program is only ever a proxy
};

// One of the proxy's listening sockets.
struct ProxyListener {
    std::uint64_t netns = 0;
    Endpoint endpoint;
    friend auto operator<=>(const ProxyListener&, const ProxyListener&) = default;
};

// A connection that the proxy has accepted.
struct ProxyClient {
    Endpoint address;                    // the client's end, as the proxy sees it
    std::optional<std::uint64_t> netns;  // of the client's own socket; absent: not in sight
    std::uint32_t inode = 0;             // of the client's own socket; 0: not in sight
    std::uint32_t accepted = 0;          // inode of the proxy's socket
    // Inode of the proxy's connection to the server that carries only this client. 0: the
    // connections are shared, or it is not known.
    std::uint32_t upstream = 0;
    // Not 0: clients with this number, and their upstreams, cannot be told apart, so it is not
    // known which client belongs to which upstream.
    std::uint32_t lookalikes = 0;
    std::optional<std::int64_t> heard_ms;  // since the client's last segment
    std::optional<std::int64_t> age_ms;    // a lower bound
    bool keepalive_on = false;
    bool keepalive_unanswered = false;
};

struct Proxy {
    std::int32_t pid = 0;
    ProxySign sign = ProxySign::traffic;
    bool one_to_one = false;  // each client has its own connection to a server
    // Whether it is known which of its listening sockets the clients of these servers use. If not,
    // `clients` is empty.
    bool clients_known = true;
    std::vector<ProxyListener> listening;
    std::vector<ProxyClient> clients;
};

}  // namespace connleak

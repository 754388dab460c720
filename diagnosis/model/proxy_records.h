// A proxy between clients and a server: a process that holds both connections that it has accepted
// and connections to the server, and carries bytes from the ones to the others.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak {

// What a process was recognised by.
enum class ProxySign : std::uint8_t {
    traffic,  // the kernel counts as many bytes on one side as on the other, both ways
    program,  // it is a program that does nothing else
};

// One of its listening sockets.
struct ProxyListener {
    std::uint64_t netns = 0;
    Endpoint endpoint;
    friend auto operator<=>(const ProxyListener&, const ProxyListener&) = default;
};

// A connection that it has accepted.
struct ProxyClient {
    Endpoint address;                    // the client's end, as the proxy has it
    std::optional<std::uint64_t> netns;  // of the client's own socket; absent: not in sight
    std::uint32_t inode = 0;             // of the client's own socket; 0: not in sight
    std::uint32_t accepted = 0;          // inode of the proxy's socket
    // Inode of the proxy's own connection to the server that carries this one alone. 0: it shares
    // them with others, or nothing tells.
    std::uint32_t upstream = 0;
    // Not 0: all clients of the same number and their upstreams look alike, so that which of them
    // belongs to which is not known.
    std::uint32_t lookalikes = 0;
    std::optional<std::int64_t> heard_ms;  // since the client's last segment
    std::optional<std::int64_t> age_ms;    // at least
    bool keepalive_on = false;
    bool keepalive_unanswered = false;
};

struct Proxy {
    std::int32_t pid = 0;
    ProxySign sign = ProxySign::traffic;
    bool one_to_one = false;  // each client has a connection to a server of its own
    // Whether it is known on which of its listening sockets the clients of these servers arrive.
    // Where it is not, there are no `clients`.
    bool clients_known = true;
    std::vector<ProxyListener> listening;
    std::vector<ProxyClient> clients;
};

}  // namespace connleak

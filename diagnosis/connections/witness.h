// The queries that the diagnosis makes before it calls a connection one-sided. The program answers
// from the kernel and the server, tests answer from memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// Where a packet leaves a namespace.
struct Hop {
    bool local = false;  // not leaving: the address is the namespace's own
    bool plain = false;  // one next hop, the same for all packets to the address
    std::uint32_t interface = 0;
    Address gateway;  // family none: the destination is on the link
};

class Witness {
  public:
    Witness() = default;
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;
    virtual ~Witness() = default;

    // Called once before the queries below, if there is anything to recheck: waits for packets in
    // flight.
    virtual void settle() = 0;

    struct Look {
        bool known = false;            // false: the kernel could not be queried
        std::optional<Socket> socket;  // the socket with exactly this tuple, if there is one
    };
    virtual Look look(NetnsId netns, const Tuple& tuple) = 0;

    struct Tracking {
        bool known = false;  // false: the table could not be queried
        std::optional<TrackedConnection> entry;
    };
    // The namespace's connection tracking entry for packets with these addresses (`local` is their
    // source), in either direction.
    virtual Tracking tracked(NetnsId netns, const Tuple& packets) = 0;

    // The remote ends of all live sockets of the namespace that have this local end: a translator
    // may have changed only the remote end of one of them. std::nullopt: not known.
    virtual std::optional<std::vector<Endpoint>> peers_of_local_end(NetnsId netns,
                                                                    const Endpoint& local) = 0;

    // Whether the server's current CLIENT LIST has a client at this address. std::nullopt: not
    // known.
    virtual std::optional<bool> listed(std::size_t server, const Endpoint& client) = 0;

    // Whether a second connection to the server's address reached the same server as the first.
    virtual bool same_server_again(std::size_t server) = 0;

    // std::nullopt: no route, or not known.
    virtual std::optional<Hop> route(NetnsId netns, const Address& destination) = 0;
    // Link-layer address; std::nullopt: no usable entry, or not known.
    virtual std::optional<std::vector<std::uint8_t>> neighbour(NetnsId netns,
                                                               std::uint32_t interface,
                                                               const Address& address) = 0;

    // All current Unix sockets of all namespaces. std::nullopt: not known, or incomplete.
    virtual std::optional<std::vector<UnixSocket>> unix_sockets_again() { return std::nullopt; }
    // The server's current CLIENT LIST. std::nullopt: not known.
    virtual std::optional<std::vector<ServerClient>> clients_again(std::size_t /*server*/) {
        return std::nullopt;
    }

    // Milliseconds since the epoch, to compute a snapshot's age.
    virtual std::int64_t now_ms() = 0;
};

}  // namespace connleak

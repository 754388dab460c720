// What the diagnosis asks of the world when it is about to call a connection one-sided. The program
// answers from the kernel and the server, tests answer from memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// Where a packet leaves a namespace.
struct Hop {
    bool local = false;  // it does not leave: the address is the namespace's own
    bool plain = false;  // one next hop, the same for every packet to the address
    std::uint32_t interface = 0;
    Address gateway;  // family none: the destination is on the link
};

class Witness {
  public:
    Witness() = default;
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;
    virtual ~Witness() = default;

    // Called once, before the questions below, when there is anything to look at again: lets
    // packets that are in flight arrive.
    virtual void settle() = 0;

    struct Look {
        bool known = false;            // false: the kernel could not be asked
        std::optional<Socket> socket;  // the socket with exactly this tuple, if there is one
    };
    virtual Look look(NetnsId netns, const Tuple& tuple) = 0;

    struct Tracking {
        bool known = false;  // false: the table could not be asked
        std::optional<TrackedConnection> entry;
    };
    // The entry of the namespace's connection tracking for packets with these addresses (`local` is
    // their source), whichever of its two directions they go.
    virtual Tracking tracked(NetnsId netns, const Tuple& packets) = 0;

    // The other ends of all living sockets of the namespace that have this local end: of one of
    // them a translator on the way may have changed only the other end. std::nullopt: not known.
    virtual std::optional<std::vector<Endpoint>> peers_of_local_end(NetnsId netns,
                                                                    const Endpoint& local) = 0;

    // Whether a new CLIENT LIST of the server has a client at this address. std::nullopt: not
    // known.
    virtual std::optional<bool> listed(std::size_t server, const Endpoint& client) = 0;

    // Whether a second connection to the server's address reached the same server as the first did.
    virtual bool same_server_again(std::size_t server) = 0;

    // std::nullopt: no route, or not known.
    virtual std::optional<Hop> route(NetnsId netns, const Address& destination) = 0;
    // Link-layer address; std::nullopt: no usable entry, or not known.
    virtual std::optional<std::vector<std::uint8_t>> neighbour(NetnsId netns,
                                                               std::uint32_t interface,
                                                               const Address& address) = 0;

    // All Unix sockets of all namespaces as they are now. std::nullopt: not known, or not all.
    virtual std::optional<std::vector<UnixSocket>> unix_sockets_again() { return std::nullopt; }
    // A new CLIENT LIST of the server. std::nullopt: not known.
    virtual std::optional<std::vector<ServerClient>> clients_again(std::size_t /*server*/) {
        return std::nullopt;
    }

    // Milliseconds since the epoch: how old a snapshot is by now.
    virtual std::int64_t now_ms() = 0;
};

}  // namespace connleak

// What connection tracking in sight shows before anything is joined: which connections are
// translated, through which other ports a server is reached, and which server is behind an address
// that only a translator knows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collect/kernel_witness.h"
#include "collect/namespaces.h"
#include "diagnosis/connections/path.h"

namespace connleak::collect {

struct Translations {
    std::vector<Namespace> networks;  // with the facts from their tables added to `translation`
    // Entries with rewritten addresses, of every namespace that may translate.
    std::vector<TrackedConnection> tracked;
    std::vector<Gap> gaps;
};
Translations read_translations(const Namespaces& namespaces, std::vector<Namespace> networks);

// The functions below ask the kernel about single connections. `sample` has the networks, the
// tracked connections and, where needed, the servers.

// A server without a listening socket in sight whose address is translated to that of a server with
// one is the same server: it gets that server's namespace and listening sockets. Concluded from
// other programs' connections.
std::vector<Server> place_by_connections(Namespaces& namespaces, const Sample& sample,
                                         const std::vector<Socket>& listeners,
                                         std::vector<Server> servers);
// The same for the servers that were asked, concluded from our own connection to them.
std::vector<Server> place_by_own_connection(Namespaces& namespaces, const Sample& sample,
                                            const std::vector<Socket>& listeners,
                                            std::vector<Server> servers);

// `ports`, and the ports that translators map to one of them.
std::vector<std::uint16_t> with_translated_ports(const std::vector<TrackedConnection>& tracked,
                                                 const std::vector<std::uint16_t>& ports);

// Follows single connections through translators during the run.
class Tracker {
  public:
    Tracker(Namespaces& namespaces, const Sample& sample)
        : witness_(namespaces, sample.namespaces, {}), paths_(sample, witness_) {}

    // Whether the client's socket is connected, through translators, to one of `servers`.
    bool reaches_any(const std::vector<Server>& servers, const Socket& client);
    // The final destination of the packets; std::nullopt: not proven.
    struct Arrival {
        NetnsId netns = 0;
        Endpoint end;
        friend bool operator==(const Arrival&, const Arrival&) = default;
    };
    std::optional<Arrival> arrival(NetnsId from, const Tuple& packets);

  private:
    KernelWitness witness_;
    PathFinder paths_;
};

}  // namespace connleak::collect

// What connection tracking in sight knows before anything is joined: which connections are
// rewritten, by which other ports a server is reached, and which server stands behind an address
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
    std::vector<Namespace> networks;  // as they were, with what their tables add to `translation`
    // Entries that rewrite addresses, of every namespace that may translate.
    std::vector<TrackedConnection> tracked;
    std::vector<Gap> gaps;
};
Translations read_translations(const Namespaces& namespaces, std::vector<Namespace> networks);

// What follows asks the kernel about single connections; `sample` has the networks, the tracked
// connections and, where they are asked about, the servers.

// A server without a listening socket in sight, whose address is rewritten to that of one, is that
// one: it gets the namespace and the listening sockets. Told by the connections of others.
std::vector<Server> place_by_connections(Namespaces& namespaces, const Sample& sample,
                                         const std::vector<Socket>& listeners,
                                         std::vector<Server> servers);
// The same for those that were asked, told by the program's own connection to them.
std::vector<Server> place_by_own_connection(Namespaces& namespaces, const Sample& sample,
                                            const std::vector<Socket>& listeners,
                                            std::vector<Server> servers);

// `ports`, and those that translators turn into one of them.
std::vector<std::uint16_t> with_translated_ports(const std::vector<TrackedConnection>& tracked,
                                                 const std::vector<std::uint16_t>& ports);

// Follows single connections through translators while the run still reads.
class Tracker {
  public:
    Tracker(Namespaces& namespaces, const Sample& sample)
        : witness_(namespaces, sample.namespaces, {}), paths_(sample, witness_) {}

    // Whether the client's socket is connected, through translators, to one of `servers`.
    bool reaches_any(const std::vector<Server>& servers, const Socket& client);
    // Where the packets end; std::nullopt: not proven.
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

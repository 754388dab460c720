// What connection tracking in sight knows before anything is joined: which connections are
// rewritten, by which other ports a server is reached, and which server stands behind an address
// that only a translator knows.
#pragma once

#include <cstdint>
#include <vector>

#include "collect/kernel_witness.h"
#include "collect/session.h"
#include "diagnosis/connections/path.h"

namespace connleak::collect {

// Fills sample().tracked from every namespace that may translate; what cannot be read is a gap.
void read_translations(Session& session);

// A server without a listening socket in sight, whose address is rewritten to that of one, is that
// one: gives it the namespace and the listening sockets. By the program's own connection where it
// was asked, else by the connections of others.
void find_translated_servers(Session& session);

// Adds the ports that translators turn into one of `ports`, and drops the entries of
// sample().tracked that are about others.
void add_translated_ports(Session& session, std::vector<std::uint16_t>& ports);

// Follows single connections through translators while the run still reads.
class Tracker {
  public:
    explicit Tracker(Session& session)
        : session_(session), witness_(session), paths_(session.sample(), witness_) {}

    // Whether the client's socket is connected, through translators, to one of sample().servers.
    bool reaches_known_server(const Socket& client);
    // Where the packets end; std::nullopt: not proven.
    struct Arrival {
        NetnsId netns = 0;
        Endpoint end;
        friend bool operator==(const Arrival&, const Arrival&) = default;
    };
    std::optional<Arrival> arrival(NetnsId from, const Tuple& packets);

  private:
    Session& session_;
    KernelWitness witness_;
    PathFinder paths_;
};

}  // namespace connleak::collect

// The namespaces that probed sockets live in: what leaves and arrives on their wire, and their
// socket tables.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collect/namespaces.h"
#include "diagnosis/actions/proof.h"
#include "probes/liveness/keepalive_probe.h"
#include "probes/liveness/probe_channel.h"

namespace connleak::collect {

// One socket under proof.
struct Candidate {
    Subject subject;
    const Socket* socket = nullptr;        // as the report has it
    std::int64_t not_before = 0;           // milliseconds of the run's clock, as all below
    std::optional<std::int64_t> heard_at;  // by the first look at it, when that was just before
    std::optional<probes::KeepaliveProbe> probe;  // while the socket is borrowed
    std::int64_t borrowed_at = 0;
    std::int64_t sent_at = 0;
    std::uint32_t mark = 0;
    std::vector<probes::ProbeChannel::Copy> seen;  // bare ACKs that left meanwhile
    bool copies = false;                           // seen.front() is the probe, and may be repeated
    std::int64_t next_copy = 0;
    Watched watched;
    std::string_view
        refused;  // why it is only watched: its own keepalive, or its data, may be answered
    bool decided = false;
    bool lost = false;  // its settings could not be put back
    Proof proof;
};

class ProbedNamespaces {
  public:
    // Opens the wire of every namespace that `candidates` live in. Without the right to it the
    // kernel's own probe is all there is, and a gap says so.
    ProbedNamespaces(Namespaces& namespaces, std::span<Candidate> candidates);

    // Where no wire could be opened and something stayed undecided for it.
    void tell_gaps(std::span<const Candidate> candidates, std::vector<Gap>& gaps) const;
    // Whether copies can be sent for this socket.
    [[nodiscard]] bool has_wire(const Socket& socket) const;
    // Sorts what was seen on the wires to the candidates.
    void receive(std::span<Candidate> candidates);
    // False when it was not sent.
    bool send_copy(const Candidate& candidate);
    // Looks at each of these again, by cookie: calls `take` with the socket, nullptr when the
    // kernel has it no more. Those that could not be looked at are left out.
    void look(std::span<Candidate> candidates, const std::vector<std::size_t>& which,
              const std::function<void(std::size_t, const Socket*)>& take);

  private:
    struct Probed {
        std::vector<std::uint16_t> ports;
        std::optional<probes::ProbeChannel> wire;
        int error = 0;  // why there is none
        std::string label;
        std::unordered_map<Tuple, std::size_t> candidates;
    };
    void look_in(const Probed& probed, netlink::SocketTable& table, std::span<Candidate> candidates,
                 const std::vector<std::size_t>& which,
                 const std::function<void(std::size_t, const Socket*)>& take);

    Namespaces& namespaces_;
    std::map<NetnsId, Probed> probed_;
};

}  // namespace connleak::collect

// The namespaces of the probed sockets: the packets that they send and receive, and their socket
// tables.
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

// One socket that is being probed.
struct Candidate {
    Subject subject;
    const Socket* socket = nullptr;        // as in the report
    std::int64_t not_before = 0;           // ms of the run's clock, as all times below
    std::optional<std::int64_t> heard_at;  // from the first look at it, if that was just before
    std::optional<probes::KeepaliveProbe> probe;  // while the socket is borrowed
    std::int64_t borrowed_at = 0;
    std::int64_t sent_at = 0;
    std::uint32_t mark = 0;
    std::vector<probes::ProbeChannel::Copy> seen;  // bare ACKs seen leaving meanwhile
    bool copies = false;  // seen.front() is the probe and may be sent again
    std::int64_t next_copy = 0;
    Watched watched;
    std::string_view refused;  // why it is not probed; it is still watched: the peer may answer its
                               // keepalive or data
    bool decided = false;
    bool lost = false;  // its settings could not be restored
    Proof proof;
};

class ProbedNamespaces {
  public:
    // Opens a probe channel in every namespace of `candidates`. Without the privilege, only the
    // kernel's own probe is sent, and a gap says so.
    ProbedNamespaces(Namespaces& namespaces, std::span<Candidate> candidates);

    // Adds a gap for each channel that could not be opened and left something undecided.
    void tell_gaps(std::span<const Candidate> candidates, std::vector<Gap>& gaps) const;
    // Whether copies can be sent for this socket.
    [[nodiscard]] bool has_wire(const Socket& socket) const;
    // Assigns the packets seen on the channels to the candidates.
    void receive(std::span<Candidate> candidates);
    // Returns false if it was not sent.
    bool send_copy(const Candidate& candidate);
    // Looks up each of these sockets by cookie and calls `take` with the result: nullptr if the
    // kernel no longer has the socket. Sockets that could not be looked up are skipped.
    void look(std::span<Candidate> candidates, const std::vector<std::size_t>& which,
              const std::function<void(std::size_t, const Socket*)>& take);

  private:
    struct Probed {
        std::vector<std::uint16_t> ports;
        std::optional<probes::ProbeChannel> wire;
        int error = 0;  // errno, if there is no channel
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

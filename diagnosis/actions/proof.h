// Proof of life: which connections to probe, what the observations after a probe mean, and how a
// proof changes a report. The probing itself is in cli/prove.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

enum class ProbeOutcome : std::uint8_t {
    answered,    // a segment came from the peer after the probe
    reset,       // the peer has no such connection; its reset closed ours
    unanswered,  // enough probes over enough time, no segment came
    heard,       // a segment came from the peer before the probe
    closed,      // closed meanwhile in another way: by its owner, or by the peer's FIN
    undecided,   // probed, but not answered and too few probes to call it dead
    not_probed,
};

// The socket of a connection to probe: the server's if its owner is in sight, else the client's.
struct Subject {
    std::size_t connection = 0;  // index into Report::connections
    bool client_side = false;
    friend bool operator==(const Subject&, const Subject&) = default;
};

// Unverified and suspect connections, or with `all` every established one. If no owner is in sight,
// the subject is the server's socket. Closing and unaccepted connections are never probed.
std::vector<Subject> choose_subjects(const Sample& sample, const Report& report, bool all);

const Socket& socket_of(const Report& report, const Subject& subject);

// What is known of a connection that was probed. Times are milliseconds of one steady clock.
struct Watched {
    std::int64_t probed_at = 0;  // set when it had been silent for at least a second
    std::int64_t wait_ms = 0;    // how long to wait for an answer
    std::uint32_t probes = 0;    // sent so far: the kernel's probe and its copies
    bool reset_seen = false;     // a reset of this connection arrived
};

// A probe or its answer can be lost. With half of the packets lost in each direction, a live Linux
// peer (which answers such segments at most every half second, tcp_invalid_ratelimit) stays silent
// for fifteen seconds with a probability of one in a million. The time alone or the number of
// probes alone would prove less.
inline constexpr std::uint32_t enough_probes = 20;

// `now`: the socket with the same cookie, nullptr when the kernel no longer has it. std::nullopt:
// not decided yet.
std::optional<ProbeOutcome> decide(const Watched& watched, const Socket* now, std::int64_t now_ms);

struct Proof {
    Subject subject;
    ProbeOutcome outcome = ProbeOutcome::not_probed;
    std::optional<Socket> now;  // its last reading, if it was found again
    bool sent = false;          // the kernel sent its own probe
    bool restored = false;      // all settings were read back unchanged
};

// Changes verdicts, evidence and sockets, removes closed connections, fills Report::probes and
// recomputes the rest (conclude()).
void apply_proofs(const Sample& sample, const Policy& policy, const std::vector<Proof>& proofs,
                  Report& report);

}  // namespace connleak

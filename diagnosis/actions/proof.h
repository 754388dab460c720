// Proof of life: which connections to probe, what the observations after a probe mean, and what a
// proof does to a report. Who probes is not of interest here (cli/prove.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

enum class ProbeOutcome : std::uint8_t {
    answered,    // the peer was heard after the probe
    reset,       // the peer has no such connection, and its reset ended ours
    unanswered,  // enough probes over enough time, and not a word
    heard,       // the peer spoke by itself before it was probed
    closed,      // it ended in another way meanwhile: by its owner, or by the peer's FIN
    undecided,   // probed, but neither answered nor probed often enough to be called dead
    not_probed,
};

// The socket of a connection that is probed: the server's where it has an owner in sight, else the
// client's.
struct Subject {
    std::size_t connection = 0;  // index into Report::connections
    bool client_side = false;
    friend bool operator==(const Subject&, const Subject&) = default;
};

// Those that are unverified or suspect, or every established one; a subject without an owner in
// sight is the server's socket all the same. Closing and unaccepted connections are never probed.
std::vector<Subject> choose_subjects(const Sample& sample, const Report& report, bool all);

const Socket& socket_of(const Report& report, const Subject& subject);

// What is known of a connection that has been probed. Times by one steady clock, in milliseconds.
struct Watched {
    std::int64_t probed_at = 0;  // when it had been quiet for at least a second
    std::int64_t wait_ms = 0;    // how long an answer is waited for
    std::uint32_t probes = 0;    // sent until now: the kernel's one and its copies
    bool reset_seen = false;     // a reset of this very connection arrived
};

// A probe or its answer can be lost. With half of the packets lost in either direction, a live
// Linux peer (which answers such segments every half a second at most, tcp_invalid_ratelimit) stays
// silent over fifteen seconds once in a million; the waiting alone, or the number alone, would
// prove less.
inline constexpr std::uint32_t enough_probes = 20;

// `now`: the socket with the same cookie, nullptr when the kernel has it no more. std::nullopt: not
// decided yet.
std::optional<ProbeOutcome> decide(const Watched& watched, const Socket* now, std::int64_t now_ms);

struct Proof {
    Subject subject;
    ProbeOutcome outcome = ProbeOutcome::not_probed;
    std::optional<Socket> now;  // as it was seen last, when it was seen again
    bool sent = false;          // the kernel sent its probe
    bool restored = false;      // every setting was read back as it was before
};

// Changes verdicts, evidence and sockets, leaves out what has closed, counts Report::probes and has
// the rest concluded anew.
void apply_proofs(const Sample& sample, const Policy& policy, const std::vector<Proof>& proofs,
                  Report& report);

}  // namespace connleak

// Proof of life: has the kernel probe the peers of connections, watches what comes back, and
// concludes the report anew. What `verify` does, and what other verbs can begin with.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "collect/run.h"
#include "diagnosis/actions/proof.h"

namespace connleak::collect {

struct ProofOptions {
    std::int64_t rate =
        2000;  // sockets that are taken up in a second; ten times as many copies are sent
    std::int64_t wait_ms = 15'000;  // for an answer to one
};

// The shortest waiting after which silence may be called death (diagnosis/proof.h, enough_probes).
inline constexpr std::int64_t shortest_wait_s = 4;

struct ProofProgress {
    std::size_t wanted = 0;
    std::size_t taken_up = 0;
    std::size_t answered = 0;
    std::size_t reset = 0;
    std::size_t waiting = 0;  // probed, and not decided yet
};

struct ProofEnd {
    std::size_t wanted = 0;
    std::size_t decided = 0;
    bool interrupted = false;  // by SIGINT or SIGTERM: every setting is put back, the rest was left
};

// Probes the peers of `subjects` and changes the run's report accordingly. What could not be done
// becomes a gap. `show` is called several times a second. SIGINT and SIGTERM end it early, in
// order; a second one ends the program.
ProofEnd prove(Run& run, const std::vector<Subject>& subjects, const ProofOptions& options,
               const std::function<void(const ProofProgress&)>& show);

}  // namespace connleak::collect

// Proof of life: makes the kernel probe the peers of connections, watches the answers, and updates
// the report's conclusions. Used by `verify`; other verbs can start with it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "collect/run.h"
#include "diagnosis/actions/proof.h"

namespace connleak::collect {

struct ProofOptions {
    std::int64_t rate = 2000;       // sockets per second; ten times as many copies are sent
    std::int64_t wait_ms = 15'000;  // for the answer to a probe
};

// The shortest wait after which a silent peer may be called dead (diagnosis/proof.h,
// enough_probes).
inline constexpr std::int64_t shortest_wait_s = 4;

struct ProofProgress {
    std::size_t wanted = 0;
    std::size_t taken_up = 0;
    std::size_t answered = 0;
    std::size_t reset = 0;
    std::size_t waiting = 0;  // probed, not decided yet
};

struct ProofEnd {
    std::size_t wanted = 0;
    std::size_t decided = 0;
    bool interrupted =
        false;  // by SIGINT or SIGTERM: all settings are restored, the rest was skipped
};

// Probes the peers of `subjects` and updates the run's report. Whatever could not be done becomes a
// gap. `show` is called several times a second. SIGINT and SIGTERM end it early in an orderly way;
// a second one ends the program.
ProofEnd prove(Run& run, const std::vector<Subject>& subjects, const ProofOptions& options,
               const std::function<void(const ProofProgress&)>& show);

}  // namespace connleak::collect

// Proof of life for the verbs that can start with it, with progress on the terminal.
#pragma once

#include "collect/probe/prove.h"

namespace connleak::cli {

// `all`: probe every established connection, not only unverified and suspect ones.
collect::ProofEnd prove_shown(collect::Run& run, bool all, const collect::ProofOptions& options);

}  // namespace connleak::cli

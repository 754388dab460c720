// Proof of life as the verbs have it that begin with it: for those whom it was asked for, with its
// progress on the terminal.
#pragma once

#include "collect/probe/prove.h"

namespace connleak::cli {

// `all`: every established connection, not only those that are unverified or suspect.
collect::ProofEnd prove_shown(collect::Run& run, bool all, const collect::ProofOptions& options);

}  // namespace connleak::cli

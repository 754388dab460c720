// Merges drafts of one connection that was found from both of its ends.
#pragma once

#include <cstddef>
#include <vector>

#include "diagnosis/connections/join.h"

namespace connleak {

// Merges drafts that share a socket into one of them; sets `gone` for the others. `looked_at`: the
// indices of drafts whose sockets the recheck may have found.
void merge_halves(std::vector<Draft>& drafts, const std::vector<std::size_t>& looked_at,
                  std::vector<bool>& gone);

}  // namespace connleak

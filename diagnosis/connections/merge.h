// One connection that was found from both of its ends is one draft.
#pragma once

#include <cstddef>
#include <vector>

#include "diagnosis/connections/join.h"

namespace connleak {

// Drafts that share a socket become one of them, with what each knows; of the others `gone` is set.
// `looked_at`: the indices of those whose sockets may have been found anew.
void merge_halves(std::vector<Draft>& drafts, const std::vector<std::size_t>& looked_at,
                  std::vector<bool>& gone);

}  // namespace connleak

// A dump walks a table that changes under it, and can meet a socket again, also in a later state.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

// Leaves each socket once, by its cookie, as it was seen last. Sockets without a cookie all stay.
void remove_repeats(std::vector<Socket>& sockets);

}  // namespace connleak::netlink

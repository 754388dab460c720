// A dump walks a table that changes meanwhile. It can return a socket twice, also in a later state.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

// Keeps the last reading of each socket, by cookie. Sockets without a cookie are all kept.
void remove_repeats(std::vector<Socket>& sockets);

}  // namespace connleak::netlink

// The connections of the servers' Unix sockets: both ends, the row in the server's client list, and
// the verdict. Both ends are in one kernel, which reports the peer of each, so none of them is ever
// a ghost or an orphan.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "diagnosis/connections/witness.h"
#include "diagnosis/model/report.h"

namespace connleak {

// Whether the row's client connected by a Unix socket.
bool by_unix_socket(const ServerClient& row);

// Leaves out connections of the program's own process `own_pid`. Sockets that only the recheck
// finds are stored in `found`. `policy` applies to rows whose sockets are not in sight.
std::vector<Connection> join_unix(const Sample& sample, const Policy& policy, Witness& witness,
                                  std::int32_t own_pid, std::deque<Socket>& found);

}  // namespace connleak

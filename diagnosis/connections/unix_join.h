// The connections of the servers' Unix sockets: both ends of each, its row in the server's client
// list, its verdict. Both ends are in one kernel, which tells each of the other, so that none of
// them is ever a ghost or an orphan.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "diagnosis/connections/witness.h"
#include "diagnosis/model/report.h"

namespace connleak {

// Whether a row is of a client that came by a Unix socket.
bool by_unix_socket(const ServerClient& row);

// `own_pid` is the program's own process: its connections are left out. Sockets that only a second
// look finds are kept in `found`. `policy` is for the rows whose sockets are not in sight.
std::vector<Connection> join_unix(const Sample& sample, const Policy& policy, Witness& witness,
                                  std::int32_t own_pid, std::deque<Socket>& found);

}  // namespace connleak

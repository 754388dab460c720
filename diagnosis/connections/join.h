// Puts the sides of each connection together: server's socket, row of its client list, client's
// socket. One draft per connection; what the drafts lack is looked at again before anything is
// concluded.
#pragma once

#include <optional>
#include <vector>

#include "diagnosis/connections/path.h"
#include "diagnosis/connections/verdict.h"
#include "diagnosis/model/report.h"

namespace connleak {

struct Draft {
    Connection connection;
    Facts facts;
};

// The program's own connections, and what its own process `own_pid` holds, are left out.
std::vector<Draft> join(const Sample& sample, PathFinder& paths, std::int32_t own_pid);

// Whether a listening socket covers the address: as its own, or by a wildcard.
bool listens_at(const Endpoint& listening, const Endpoint& local);

// Whether the server's listening sockets cover the address (as one of them, or by a wildcard).
bool listens_on(const Server& server, const Endpoint& local);

// What the server sees of our own connection is what we see: the process that listens is the one
// that answers, and nothing translates between us.
bool untranslated(const Server& server);

}  // namespace connleak

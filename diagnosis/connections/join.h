// Matches the parts of each connection: the server's socket, its row in the client list, the
// client's socket. One draft per connection. Incomplete drafts are rechecked before anything is
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

// Leaves out the program's own connections and those that its process `own_pid` holds.
std::vector<Draft> join(const Sample& sample, PathFinder& paths, std::int32_t own_pid);

// Whether a listening socket covers the address: equal to it, or a wildcard.
bool listens_at(const Endpoint& listening, const Endpoint& local);

// Whether any of the server's listening sockets covers the address.
bool listens_on(const Server& server, const Endpoint& local);

// Whether the server sees our own connection as we see it: the listening process itself answers,
// and nothing translates in between.
bool untranslated(const Server& server);

}  // namespace connleak

// Finds the proxies among the processes that hold connections to the servers, and whose clients
// stand behind them.
#pragma once

#include <vector>

#include "collect/session.h"

namespace connleak::collect {

// Fills sample().proxies, and adds the owners of their clients' sockets to sample().processes. To
// be called when sockets and processes are read; `listeners` are all listening sockets. Nothing
// more is read where no process both listens and holds a connection to a server.
//
// A server that was found by itself and is a proxy's own port goes: its clients stand behind the
// proxy, and the server behind it is in the report. One that stays is told as what it is
// (Server::through).
void collect_proxies(Session& session, const std::vector<Socket>& listeners);

}  // namespace connleak::collect

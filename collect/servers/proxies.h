// Finds the proxies among the processes that hold connections to the servers, and the clients
// behind them.
#pragma once

#include <vector>

#include "collect/namespaces.h"
#include "collect/request.h"

namespace connleak::collect {

struct Proxies {
    std::vector<Proxy> proxies;
    Processes processes;  // owners of their clients' sockets, in addition to the sample's
    std::vector<Gap> gaps;
};

// `sample`: everything read before the proxies. `listeners`: all listening sockets. Reads nothing
// more unless some process both listens and holds a connection to a server.
Proxies find_proxies(const Request& request, Namespaces& namespaces, const Sample& sample,
                     const std::vector<Socket>& listeners);

struct ServersBehind {
    std::vector<Server> servers;
    std::vector<Tuple> asked_through;  // as Sample::asked_through
    std::vector<Gap> gaps;
};

// `servers`, corrected once the sample's proxies are known. A server that was found automatically
// but is a proxy's own port is removed: its clients are shown behind the proxy, and the server
// behind it is in the report. One that stays is marked by Server::through.
ServersBehind behind_proxies(const Request& request, const Sample& sample,
                             std::vector<Server> servers);

}  // namespace connleak::collect

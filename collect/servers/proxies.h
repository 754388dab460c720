// Finds the proxies among the processes that hold connections to the servers, and whose clients
// stand behind them.
#pragma once

#include <vector>

#include "collect/namespaces.h"
#include "collect/request.h"

namespace connleak::collect {

struct Proxies {
    std::vector<Proxy> proxies;
    Processes processes;  // of their clients' sockets, beside those that the sample has
    std::vector<Gap> gaps;
};

// `sample`: everything that is read before the proxies. `listeners`: all listening sockets. Nothing
// more is read where no process both listens and holds a connection to a server.
Proxies find_proxies(const Request& request, Namespaces& namespaces, const Sample& sample,
                     const std::vector<Socket>& listeners);

struct ServersBehind {
    std::vector<Server> servers;
    std::vector<Tuple> asked_through;  // as Sample::asked_through
    std::vector<Gap> gaps;
};

// `servers` as they are once the sample's proxies are known. One that was found by itself and is a
// proxy's own port goes: its clients stand behind the proxy, and the server behind it is in the
// report. One that stays is told as what it is (Server::through).
ServersBehind behind_proxies(const Request& request, const Sample& sample,
                             std::vector<Server> servers);

}  // namespace connleak::collect

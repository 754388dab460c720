// The Unix sockets that servers listen on: which server owns them, and which ones a TARGET means.
#pragma once

#include <string>
#include <vector>

#include "collect/servers/listeners.h"
#include "diagnosis/model/records.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

// Adds the Unix sockets that the process listens on to the server, and names the server by one of
// them if it listens nowhere else.
void listen_by_unix(const Listeners& listeners, const probes::ServerProcess& process,
                    Server& server);

// Resolves unix:PATH or unix:@NAME: the server at that path in our own mount namespace, else every
// server with this path in another one. A path that belongs to no process in sight is asked anyway,
// from the namespace `home`.
std::vector<Server> servers_at(const std::string& path, const Listeners& listeners, NetnsId home);

}  // namespace connleak::collect

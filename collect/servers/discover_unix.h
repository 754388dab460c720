// The Unix sockets that servers listen on: whose they are, and which of them a TARGET means.
#pragma once

#include <string>
#include <vector>

#include "collect/servers/listeners.h"
#include "diagnosis/model/records.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

// Gives the server the Unix sockets that the process listens on, and names it by one of them when
// it listens nowhere else.
void listen_by_unix(const Listeners& listeners, const probes::ServerProcess& process,
                    Server& server);

// What unix:PATH or unix:@NAME means: the server at that path of our own mount namespace, else each
// server with this path in another. One that no process in sight is known to be is asked all the
// same, from the namespace `home`.
std::vector<Server> servers_at(const std::string& path, const Listeners& listeners, NetnsId home);

}  // namespace connleak::collect

// The listeners of this host: the listening sockets of all namespaces, and the server processes
// that hold them.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "collect/namespaces.h"
#include "diagnosis/model/records.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

struct Listeners {
    std::vector<Socket> tcp;
    std::vector<UnixSocket> unix_listening;  // stream and seqpacket sockets with a name
    std::vector<UnixSocket> unix_connected;  // those with a name: the server sides
    std::vector<probes::ServerProcess> processes;
    std::vector<Gap> gaps;
};

Listeners read_listeners(Namespaces& namespaces);

// Only the TCP part.
Read<std::vector<Socket>> read_listening_sockets(Namespaces& namespaces);

// The inodes of Unix sockets that were accepted from one of the listeners.
std::unordered_set<std::uint32_t> accepted_by_unix(const Listeners& listeners);

}  // namespace connleak::collect

// The Unix sockets of the servers: reads them in all namespaces, selects the relevant ones, and
// finds how to connect to a server by them.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "collect/namespaces.h"
#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::collect {

struct UnixTables {
    std::vector<UnixSocket> sockets;
    std::vector<Gap> gaps;  // of the namespaces that could not be read completely
    bool queues_complete =
        true;  // for every listener, the sockets waiting to be accepted are known
};
// Of all namespaces.
UnixTables dump_unix_sockets(Namespaces& namespaces);

// The sockets of `servers`, their peers, and sockets whose peer is gone. Empty if no server listens
// on a Unix socket.
Read<std::vector<UnixSocket>> read_unix_sockets(Namespaces& namespaces,
                                                const std::vector<Server>& servers);

// Call it when the owners are known: of the sockets in `side` whose peer is gone, keeps those that
// were connected to one of the servers.
Read<UnixSide> find_left_ends(UnixSide side, const std::vector<Server>& servers,
                              const Processes& processes);

// How to connect to a server by one of its Unix sockets.
struct UnixWay {
    std::string address;  // for Conversation::ask_unix()
    std::shared_ptr<Descriptor>
        file;  // the file that `address` leads to; must stay open while the address is used
    std::string refusal;  // why it cannot be connected to
};
std::vector<UnixWay> unix_ways_to(const Server& server);

// Whether the process at the other end of a Unix connection (SO_PEERCRED) is the server: by now the
// path may belong to another one.
bool is_server(const Server& server, std::int32_t peer_pid);

}  // namespace connleak::collect

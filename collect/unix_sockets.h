// The Unix sockets of the servers: read in all namespaces, chosen, and where the servers are
// reached by them.
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
    std::vector<Gap> gaps;        // of the namespaces that could not be read whole
    bool queues_complete = true;  // who waits for a listener to accept is known of each
};
// Of all namespaces.
UnixTables dump_unix_sockets(Namespaces& namespaces);

// The sockets of `servers`, those of their peers, and those whose peer is gone. Nothing when no
// server listens on a Unix socket.
Read<std::vector<UnixSocket>> read_unix_sockets(Namespaces& namespaces,
                                                const std::vector<Server>& servers);

// Once the owners are known: of the sockets in `side` whose peer is gone those that were connected
// to one of the servers stay.
Read<UnixSide> find_left_ends(UnixSide side, const std::vector<Server>& servers,
                              const Processes& processes);

// Where to connect to a server by one of its Unix sockets.
struct UnixWay {
    std::string address;               // for Conversation::ask_unix()
    std::shared_ptr<Descriptor> file;  // what `address` leads to; held as long as it is used
    std::string refusal;               // why there is no way
};
std::vector<UnixWay> unix_ways_to(const Server& server);

// Whether the process at the other end of a connection by Unix socket (SO_PEERCRED) is the server:
// the path may be another's by now.
bool is_server(const Server& server, std::int32_t peer_pid);

}  // namespace connleak::collect

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

#include "collect/session.h"
#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::collect {

struct UnixTables {
    std::vector<UnixSocket> sockets;
    bool complete = true;
    bool queues_complete = true;  // who waits for a listener to accept is known of each
};
// Of all namespaces; what could not be read becomes a gap once.
UnixTables dump_unix_sockets(Session& session);

// Fills sample().unix_side and adds the inodes whose owners are to be looked for. Nothing when no
// server listens on a Unix socket.
void read_unix_sockets(Session& session, std::unordered_set<std::uint32_t>& wanted);

// Once the owners are known: of ends whose other end is gone those that were connected to one of
// the servers stay.
void find_left_ends(Session& session);

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

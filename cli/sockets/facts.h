// Derived facts of a socket, for columns, counts and JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sockets/columns.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// The processes that hold the socket, each once, ordered by pid.
std::vector<const Process*> owners_of(const SocketRow& row, const Processes& processes);
// The process by which a socket with several owners is counted and grouped: the oldest.
const Process* holder_of(const SocketRow& row, const Processes& processes);
// For a Unix listener: the processes that wait to be accepted, each once, ordered by pid.
std::vector<const Process*> pending_owners(const SocketRow& row, const Processes& processes);
// False for TIME-WAIT and SYN-RECEIVED sockets, for which the kernel reports 0.
bool has_uid(const Socket& socket);
// A path, or an abstract name with "@" for its NULs, as ss prints it; otherwise raw bytes.
std::string unix_name(const netlink::UnixSocket& socket);
// The peer; before it is accepted, the listener. nullptr if there is none, or none in sight.
const netlink::UnixSocket* unix_peer(const SocketRow& row, const SocketsView& view);
std::string_view ss_name(netlink::UnixType type);    // u_str
std::string_view to_string(netlink::UnixType type);  // stream

}  // namespace connleak::render

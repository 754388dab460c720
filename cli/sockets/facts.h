// What columns, counts and JSON say of a socket that is no plain member of its record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sockets/columns.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// The processes that hold the socket, each once, by pid.
std::vector<const Process*> owners_of(const SocketRow& row, const Processes& processes);
// The one by which a socket that several hold is counted and grouped: the oldest.
const Process* holder_of(const SocketRow& row, const Processes& processes);
// Of a Unix listener: the processes that wait for it to accept, each once, by pid.
std::vector<const Process*> pending_owners(const SocketRow& row, const Processes& processes);
// TIME-WAIT and SYN-RECEIVED sockets have none, and the kernel says 0.
bool has_uid(const Socket& socket);
// A path, or an abstract name with "@" for its NULs, as ss writes it; raw bytes otherwise.
std::string unix_name(const netlink::UnixSocket& socket);
// The other end; the listener where that has not accepted yet. nullptr when there is none, or none
// in sight.
const netlink::UnixSocket* unix_peer(const SocketRow& row, const SocketsView& view);
std::string_view ss_name(netlink::UnixType type);    // u_str
std::string_view to_string(netlink::UnixType type);  // stream

}  // namespace connleak::render

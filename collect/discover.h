// Which servers the report is about: those that listen here, those that were named, and those that
// local processes hold connections to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collect/session.h"

namespace connleak::collect {

// Fills sample().servers with the local servers and the TARGETs, from the listening sockets of all
// namespaces. Returns one line when a TARGET makes no sense on this host (a name that does not
// resolve).
std::optional<std::string> discover_servers(Session& session);

// Servers that were asked by a Unix socket: finds their listening sockets by the process that
// answered.
void find_listeners_of_unix_servers(Session& session);

// The ports whose sockets are to be read.
std::vector<std::uint16_t> ports_of_interest(const Session& session);

// Adds the servers out of sight that sample().sockets are connected to (without TARGETs).
void discover_remote_servers(Session& session);

}  // namespace connleak::collect

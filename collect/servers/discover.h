// Which servers the report is about: those that listen here, those that were named, and those that
// local processes hold connections to.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "collect/namespaces.h"
#include "collect/request.h"
#include "collect/servers/listeners.h"

namespace connleak::collect {

// The TARGETs, or without any the servers that listen here. The error is one line: a TARGET makes
// no sense on this host (a name that does not resolve).
std::expected<std::vector<Server>, std::string> find_servers(const Request& request,
                                                             const Namespaces& namespaces,
                                                             const std::vector<Namespace>& networks,
                                                             const Listeners& listeners);

// Gives servers that were asked by a Unix socket the TCP sockets on which the process that answered
// listens. `listeners`: read after the asking.
std::vector<Server> with_listeners_of_unix_servers(std::vector<Server> servers,
                                                   const Listeners& listeners);

// The ports whose sockets are to be read, ascending.
std::vector<std::uint16_t> ports_of_interest(const Request& request,
                                             const std::vector<Server>& servers);

// Without TARGETs: the servers that the sample's sockets are connected to, and that are none of its
// servers.
std::vector<Server> find_remote_servers(const Request& request, Namespaces& namespaces,
                                        const Sample& sample);

}  // namespace connleak::collect

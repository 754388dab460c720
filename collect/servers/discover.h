// Which servers the report is about: those listening on this host, those named by the user, and
// those that local processes are connected to.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "collect/namespaces.h"
#include "collect/request.h"
#include "collect/servers/listeners.h"

namespace connleak::collect {

// The TARGETs, or without any the servers that listen on this host. The error is one line: a TARGET
// makes no sense on this host (for example, a name that does not resolve).
std::expected<std::vector<Server>, std::string> find_servers(const Request& request,
                                                             const Namespaces& namespaces,
                                                             const std::vector<Namespace>& networks,
                                                             const Listeners& listeners);

// Adds the TCP listening sockets of the answering process to servers that were asked by a Unix
// socket. `listeners`: read after asking.
std::vector<Server> with_listeners_of_unix_servers(std::vector<Server> servers,
                                                   const Listeners& listeners);

// The ports whose sockets are to be read, in ascending order.
std::vector<std::uint16_t> ports_of_interest(const Request& request,
                                             const std::vector<Server>& servers);

// Without TARGETs: the servers that the sample's sockets are connected to and that are not yet
// among its servers.
std::vector<Server> find_remote_servers(const Request& request, Namespaces& namespaces,
                                        const Sample& sample);

}  // namespace connleak::collect

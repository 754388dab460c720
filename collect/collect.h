// The order in which everything is read. Each stage is a function of the results of earlier stages.
#pragma once

#include <expected>
#include <string>

#include "collect/namespaces.h"
#include "collect/request.h"
#include "collect/servers/ask.h"

namespace connleak::collect {

// The error is one line: a TARGET makes no sense on this host. While it waits for a server, the run
// holds nothing of a namespace open except the connection to the server.
std::expected<Sample, std::string> collect(const Request& request, const Login& login,
                                           Namespaces& namespaces);

}  // namespace connleak::collect

// The order in which everything is read. Each stage is a function of what the stages before it have
// returned.
#pragma once

#include <expected>
#include <string>

#include "collect/namespaces.h"
#include "collect/request.h"
#include "collect/servers/ask.h"

namespace connleak::collect {

// The error is one line: a TARGET makes no sense on this host. While a server is waited for nothing
// of a namespace is held open, but the connection to the server.
std::expected<Sample, std::string> collect(const Request& request, const Login& login,
                                           Namespaces& namespaces);

}  // namespace connleak::collect

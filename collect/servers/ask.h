// Asks all servers concurrently, each from inside its own network namespace.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collect/namespaces.h"
#include "collect/request.h"

namespace connleak::collect {

// How the run authenticates.
struct Login {
    std::string password;                           // "" for none
    std::shared_ptr<const probes::TlsContext> tls;  // nullptr if no server is asked by TLS
};

// `servers`, with the answer of each server that may be asked, and its conversation. Remote servers
// are asked only if a TARGET names them, tcp:// servers never.
Read<std::vector<Server>> ask_servers(const Request& request, const Login& login,
                                      const Namespaces& namespaces,
                                      const std::vector<Namespace>& networks,
                                      std::vector<Server> servers);

}  // namespace connleak::collect

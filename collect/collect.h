// The one order in which everything is read: listeners, servers, sockets, owners.
#pragma once

#include <optional>
#include <string>

#include "collect/session.h"

namespace connleak::collect {

// Fills the session's sample. Returns one line when a TARGET makes no sense on this host.
std::optional<std::string> collect(Session& session, const std::string& password);

}  // namespace connleak::collect

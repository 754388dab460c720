// Asks the servers of a sample, all at the same time, each from inside its own network namespace.
#pragma once

#include <string>

#include "collect/session.h"

namespace connleak::collect {

// Fills `answer` of each server that may be asked and keeps the conversations in the session.
// Remote servers are asked only when a TARGET names them, tcp:// servers never.
void ask_servers(Session& session, const std::string& password);

}  // namespace connleak::collect

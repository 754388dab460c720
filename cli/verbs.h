// The verbs, one file each. A verb takes its own words and returns the exit status.
#pragma once

#include <string>
#include <vector>

namespace connleak::cli {

using Words = std::vector<std::string>;

int scan(const Words& words);
int sockets(const Words& words);
int snapshot(const Words& words);

}  // namespace connleak::cli

// The verbs, one file each. A verb takes its own words and returns the exit status.
#pragma once

#include <string>
#include <vector>

namespace connleak::cli {

using Words = std::vector<std::string>;

int protect(const Words& words);
int reap(const Words& words);
int scan(const Words& words);
int check(const Words& words);
int sockets(const Words& words);
int what_if(const Words& words);
int verify(const Words& words);
int snapshot(const Words& words);

}  // namespace connleak::cli

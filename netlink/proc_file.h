// Small files of /proc that belong to a network namespace: read in a thread that has entered it,
// they tell of that namespace (/proc/sys/net and /proc/thread-self/net).
#pragma once

#include <expected>
#include <string>

namespace connleak::netlink {

// The whole file, or the errno.
std::expected<std::string, int> read_proc_file(const char* path);

}  // namespace connleak::netlink

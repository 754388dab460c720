// Small files of /proc that belong to a network namespace (/proc/sys/net, /proc/thread-self/net):
// read in a thread that has entered it, they describe that namespace.
#pragma once

#include <expected>
#include <string>

namespace connleak::netlink {

// The whole file, or the errno.
std::expected<std::string, int> read_proc_file(const char* path);

}  // namespace connleak::netlink

// The servers that run on this host, found by the names of their processes before
// anything else is walked: only their own descriptors are looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// The port in the title that Redis gives itself ("redis-server 127.0.0.1:6379 [cluster]").
std::optional<std::uint16_t> port_of_title(std::string_view title);

// The path in the title of one that listens on a Unix socket alone ("redis-server
// unixsocket:/run/redis.sock"), which may be cut off; "" for none.
std::string path_of_title(std::string_view title);

struct ServerProcess {
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    std::int32_t namespace_pid = 0;  // its pid in its own pid namespace
    ServerKind kind = ServerKind::redis;
    bool hidden = false;                   // its descriptors may not be read
    std::vector<std::uint32_t> listeners;  // inodes of `listening` that it holds
    std::optional<std::uint16_t> title_port;
    std::string title_path;
    NetnsId netns = 0;  // 0: not readable
};

// `listening` are the inodes of all listening sockets. A child that Redis forks to write its files
// holds the same sockets; it is left out.
std::vector<ServerProcess> find_server_processes(const std::unordered_set<std::uint32_t>& listening,
                                                 const std::string& proc_root = "/proc");

}  // namespace connleak::probes

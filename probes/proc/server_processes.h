// The servers that run on this host, found by their process names before anything else is walked:
// only the descriptors of these processes are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// The port in the process title that Redis sets ("redis-server 127.0.0.1:6379 [cluster]").
std::optional<std::uint16_t> port_of_title(std::string_view title);

// The path in the title of a server that listens only on a Unix socket ("redis-server
// unixsocket:/run/redis.sock"), possibly truncated; "" for none.
std::string path_of_title(std::string_view title);

struct ServerProcess {
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    std::int32_t namespace_pid = 0;  // its pid in its own pid namespace
    ServerKind kind = ServerKind::redis;
    bool hidden = false;                   // its descriptors may not be read
    std::vector<std::uint32_t> listeners;  // inodes of `listening` that the process holds
    std::optional<std::uint16_t> title_port;
    std::string title_path;
    NetnsId netns = 0;  // 0: not readable
};

// `listening` are the inodes of all listening sockets. A child forked by Redis to write its files
// holds the same sockets; it is left out.
std::vector<ServerProcess> find_server_processes(const std::unordered_set<std::uint32_t>& listening,
                                                 const std::string& proc_root = "/proc");

}  // namespace connleak::probes

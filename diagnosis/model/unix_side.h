// The Unix sockets of the servers in a sample, as they were read: the ends that the servers
// accepted, the clients' ends, and what still waits to be accepted.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "diagnosis/model/socket.h"

namespace connleak {

// A Unix socket that a server listens on.
struct UnixListener {
    std::uint32_t inode = 0;
    NetnsId netns = 0;
    std::string name;  // raw, as UnixSocket has it
    // How the report names it: the path, absolute; of an abstract name "@" for its NULs, as ss
    // writes it. Raw bytes otherwise.
    std::string path;
};

// Where an end was connected to that has no other end any more (getpeername(2), SO_PEERCRED).
struct UnixRemote {
    std::string name;      // raw, of the listener
    std::int32_t pid = 0;  // of the process that had called listen(2); 0 when it is out of sight
};

struct UnixSide {
    // Of all namespaces: listeners with a server's name, the ends accepted from them, the clients'
    // ends. Each once.
    std::vector<UnixSocket> sockets;
    // By inode, of those of `sockets` that only this tells whose client they were.
    std::unordered_map<std::uint32_t, UnixRemote> remotes;
    // Inodes of accepted ends that were there already before the servers told their clients.
    std::unordered_set<std::uint32_t> earlier;
};

}  // namespace connleak

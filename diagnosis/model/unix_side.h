// The Unix sockets of the servers in a sample: the ends accepted by the servers, the clients' ends,
// and connections not accepted yet.
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
    std::string name;  // raw, as UnixSocket::name
    // How the report names it: the absolute path, or for an abstract name "@" in place of each NUL,
    // as in ss. Otherwise raw bytes.
    std::string path;
};

// Where a socket that has lost its peer was connected to (getpeername(2), SO_PEERCRED).
struct UnixRemote {
    std::string name;      // raw, of the listener
    std::int32_t pid = 0;  // of the process that called listen(2); 0: not in sight
};

struct UnixSide {
    // From all namespaces: listeners with a server's name, the ends accepted from them, the
    // clients' ends. No duplicates.
    std::vector<UnixSocket> sockets;
    // By inode: entries of `sockets` whose server is known only from here.
    std::unordered_map<std::uint32_t, UnixRemote> remotes;
    // Inodes of accepted ends that existed before the servers listed their clients.
    std::unordered_set<std::uint32_t> earlier;
};

}  // namespace connleak

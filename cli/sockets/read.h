// What `connleak sockets` reads, in order: the tables of the namespaces, then, where an answer
// hangs on them, the owners.
#pragma once

#include <deque>
#include <vector>

#include "cli/sockets/columns.h"
#include "cli/sockets/options.h"
#include "diagnosis/filter/filter.h"
#include "netlink/netns.h"

namespace connleak::cli {

// Which facts the output, the order and the filter ask for.
struct Wanted {
    bool owners = false;
    bool info = false;       // tcp_info
    bool probes = false;     // its count of probes, for netstat's form of the timer
    bool memory = false;     // of buffers
    bool listening = false;  // which ports are listened on
    bool devices = false;
    bool cgroups = false;
};

struct SocketsRead {
    std::vector<netlink::Netns> namespaces;
    std::deque<std::vector<Socket>> sockets;  // one for each namespace
    std::deque<std::vector<netlink::UnixSocket>> unix_sockets;
    Processes processes;
    std::vector<Gap> gaps;
    bool any_table = false;  // one table at least was read

    render::SocketsView view{processes};
    std::vector<render::SocketRow> rows;  // the sockets that pass the options and the filter

    SocketsRead() = default;
    SocketsRead(const SocketsRead&) = delete;  // the view and the rows point inside
    SocketsRead& operator=(const SocketsRead&) = delete;
};

void read_sockets(const SocketsOptions& options, const Filter& filter, const Wanted& wanted,
                  SocketsRead& into);

}  // namespace connleak::cli

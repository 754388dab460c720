// What `connleak sockets` reads, in order: the tables of the namespaces, then the owners if they
// are needed.
#pragma once

#include <deque>
#include <vector>

#include "cli/sockets/columns.h"
#include "cli/sockets/options.h"
#include "diagnosis/filter/filter.h"
#include "netlink/netns.h"

namespace connleak::cli {

// The facts that the output, the order and the filter need.
struct Wanted {
    bool owners = false;
    bool info = false;       // tcp_info
    bool probes = false;     // unanswered probes, for netstat's format of the timer
    bool memory = false;     // buffer memory
    bool listening = false;  // which ports are listening
    bool devices = false;
    bool cgroups = false;
};

struct SocketsRead {
    std::vector<netlink::Netns> namespaces;
    std::deque<std::vector<Socket>> sockets;  // one element for each namespace
    std::deque<std::vector<netlink::UnixSocket>> unix_sockets;
    Processes processes;
    std::vector<Gap> gaps;
    bool any_table = false;  // at least one table was read

    render::SocketsView view{processes};
    std::vector<render::SocketRow> rows;  // the sockets selected by the options and the filter

    SocketsRead() = default;
    SocketsRead(const SocketsRead&) = delete;  // the view and the rows point into it
    SocketsRead& operator=(const SocketsRead&) = delete;
};

void read_sockets(const SocketsOptions& options, const Filter& filter, const Wanted& wanted,
                  SocketsRead& into);

}  // namespace connleak::cli

// What `connleak snapshot` reads: this host's side, in such a way that what it lacks was not there.
#pragma once

#include <cstdint>
#include <vector>

#include "collect/host.h"
#include "collect/request.h"
#include "diagnosis/model/records.h"
#include "netlink/netns.h"

namespace connleak::collect {

struct SnapshotRead {
    HostFacts host;
    std::int64_t taken_at_ms = 0;     // since the epoch; before the first table was read
    std::int64_t finished_at_ms = 0;  // behind the last
    std::int64_t boottime_ms = 0;     // CLOCK_BOOTTIME at taken_at
    bool synchronized = false;        // the clock is
    std::vector<netlink::Netns> handles;
    std::vector<Namespace> namespaces;
    std::vector<int> passes;      // over the socket table of each namespace
    std::vector<Socket> sockets;  // of all of them
    Processes processes;
    std::vector<TrackedConnection> translations;  // those that really are translated
    std::vector<Gap> gaps;
    bool any_table = false;  // one table at least was read
};

SnapshotRead read_snapshot(const SnapshotRequest& request);

}  // namespace connleak::collect

// What `connleak snapshot` reads: this host's side, such that a socket missing from it did not
// exist.
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
    std::int64_t finished_at_ms = 0;  // after the last table was read
    std::int64_t boottime_ms = 0;     // CLOCK_BOOTTIME at taken_at
    bool synchronized = false;        // whether the clock is synchronized
    std::vector<netlink::Netns> handles;
    std::vector<Namespace> namespaces;
    std::vector<int> passes;      // number of reads of each namespace's socket table
    std::vector<Socket> sockets;  // of all namespaces
    Processes processes;
    std::vector<TrackedConnection> translations;  // only those with rewritten addresses
    std::vector<Gap> gaps;
    bool any_table = false;  // at least one table was read
};

SnapshotRead read_snapshot(const SnapshotRequest& request);

}  // namespace connleak::collect

#include "collect/snapshot/read.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "collect/namespaces.h"
#include "netlink/network/conntrack.h"
#include "netlink/network/network.h"
#include "netlink/sockets/repeats.h"
#include "netlink/sockets/sock_diag.h"
#include "probes/proc/processes.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// A dump can miss a socket while others are opened and closed, and a snapshot cannot be rechecked
// later on another host. So the table is read until a pass shows nothing new, or often enough that
// missing the same socket each time is practically impossible.
constexpr int fewest_passes = 2;
constexpr int most_passes = 5;

class Reader {
  public:
    Reader(const SnapshotRequest& request, SnapshotRead& into) : request_(request), into_(into) {}

    void run() {
        into_.host = read_host();
        into_.synchronized = clock_is_synchronized();
        netlink::NetnsSearch search = find_namespaces(request_.netns);
        into_.handles = std::move(search.found);
        into_.gaps = std::move(search.gaps);
        into_.taken_at_ms = wall_clock_ms();
        into_.boottime_ms = boot_clock_ms();
        for (const netlink::Netns& place : into_.handles) {
            Namespace& network = into_.namespaces.emplace_back();
            std::ranges::move(netlink::read_network(place, into_.handles, network),
                              std::back_inserter(into_.gaps));
            into_.passes.push_back(read_sockets(place, network));
            read_translations(place);
        }
        into_.finished_at_ms = wall_clock_ms();
        read_owners();
    }

  private:
    // Returns the number of passes.
    int read_sockets(const netlink::Netns& place, Namespace& network) {
        const auto fail = [&](const netlink::Error& error) {
            network.complete = false;
            into_.gaps.push_back({"netlink", place.label(), errno_name(error.code),
                                  "some sockets of this network namespace may be missing"});
        };
        auto table = netlink::SocketTable::open(place);
        if (!table) return fail(table.error()), 0;
        std::vector<Socket> known;
        int pass = 0;
        for (bool more = true; more && pass < most_passes;) {
            const std::size_t before = known.size();
            netlink::Dump dump = table->dump({.ports = request_.ports});
            ++pass;
            into_.any_table |= !dump.error || !dump.sockets.empty();
            if (known.empty())
                known = std::move(dump.sockets);
            else
                std::ranges::move(dump.sockets, std::back_inserter(known));
            netlink::remove_repeats(known);
            if (dump.error) {
                fail(*dump.error);
                break;
            }
            more = pass < fewest_passes || known.size() > before;
        }
        for (Socket& socket : known)
            if (socket.state == State::listen) socket.info.reset();  // it has none
        if (into_.sockets.empty())
            into_.sockets = std::move(known);
        else
            std::ranges::move(known, std::back_inserter(into_.sockets));
        return pass;
    }

    void read_translations(const netlink::Netns& place) {
        const auto wanted = [&](const Tuple& tuple) {
            return std::ranges::any_of(request_.ports, [&](std::uint16_t port) {
                return tuple.local.port == port || tuple.remote.port == port;
            });
        };
        const auto error = netlink::read_tracked_connections(place, [&](const auto& tracked) {
            if (!tracked.translated()) return;
            if (request_.ports.empty() || wanted(tracked.original) || wanted(tracked.reply))
                into_.translations.push_back(tracked);
        });
        if (error)
            into_.gaps.push_back({"conntrack", place.label(), errno_name(error->code),
                                  "which connections are translated here stays unknown"});
    }

    void read_owners() {
        std::unordered_set<std::uint32_t> inodes;
        inodes.reserve(into_.sockets.size());
        for (const Socket& socket : into_.sockets) inodes.insert(socket.inode);
        inodes.erase(0);
        into_.processes = probes::read_processes(inodes);
        std::ranges::move(into_.processes.gaps, std::back_inserter(into_.gaps));
        into_.processes.gaps.clear();
    }

    const SnapshotRequest& request_;
    SnapshotRead& into_;
};

}  // namespace

SnapshotRead read_snapshot(const SnapshotRequest& request) {
    SnapshotRead result;
    Reader(request, result).run();
    return result;
}

}  // namespace connleak::collect

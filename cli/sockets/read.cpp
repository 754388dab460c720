#include "cli/sockets/read.h"

#include <net/if.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "cli/sockets/facts.h"
#include "collect/namespaces.h"
#include "netlink/sockets/filter_bytecode.h"
#include "netlink/sockets/sock_diag.h"
#include "probes/proc/processes.h"
#include "system/errno_name.h"

namespace connleak::cli {

namespace {

using render::SocketRow;

// -4 and -6 apply to the socket's family, as in ss, and not to Unix sockets.
Filter with_family(const SocketsOptions& options, const Filter& filter) {
    if (options.ipv4 == options.ipv6) return filter;
    Filter result = filter;
    filter::Node family{.test = filter::OfFamily{options.ipv6}};
    if (!filter.expression)
        result.expression = std::move(family);
    else
        result.expression = filter::Node{
            .test = filter::Chain{{std::move(family), *filter.expression}, {filter::Join::and_}}};
    return result;
}

class Reader {
  public:
    Reader(const SocketsOptions& options, const Filter& filter, const Wanted& wanted,
           SocketsRead& into)
        : options_(options),
          filter_(filter),
          tcp_filter_(with_family(options, filter)),
          states_(filter.possible_states().value_or(options.states)),
          wanted_(wanted),
          into_(into) {}

    void run() {
        netlink::NetnsSearch search = collect::find_namespaces(options_.netns);
        into_.namespaces = std::move(search.found);
        into_.gaps = std::move(search.gaps);
        for (const netlink::Netns& place : into_.namespaces) {
            if (!place.name().empty()) into_.view.namespaces.emplace(place.id(), place.name());
            if (wanted_.devices || filter_.expression) look_around(place);
            if (options_.tcp) read_tcp(place);
            if (options_.unix_sockets) read_unix(place);
        }
        if (wanted_.owners || unsure_) read_owners();
    }

  private:
    void note(const netlink::Netns& place, const std::optional<netlink::Error>& error) {
        if (error)
            into_.gaps.push_back({"netlink", place.label(), errno_name(error->code),
                                  "some sockets of this network namespace may be missing"});
    }

    // Reads devices and the port range, for the filter and for names.
    void look_around(const netlink::Netns& place) {
        // If it cannot be entered, its tables cannot be read either, which is already a gap.
        static_cast<void>(place.run([&] {
            if (std::FILE* file = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re")) {
                filter::PortRange range;
                if (std::fscanf(file, "%hu %hu", &range.low, &range.high) == 2)
                    ports_[place.id()] = range;
                std::fclose(file);
            }
            struct if_nameindex* const devices = ::if_nameindex();
            if (devices == nullptr) return;
            for (const auto* each = devices; each->if_index != 0; ++each)
                into_.view.devices.emplace(std::pair(place.id(), each->if_index), each->if_name);
            ::if_freenameindex(devices);
        }));
    }

    void read_tcp(const netlink::Netns& place) {
        auto table = netlink::SocketTable::open(place);
        if (!table) return note(place, table.error());
        if (wanted_.listening) read_listening(place, *table);
        netlink::SocketQuery query;
        query.states = states_;
        query.with_info = wanted_.info;
        query.with_memory = wanted_.memory;
        if (tcp_filter_.expression)
            query.program = netlink::compile_filter(*tcp_filter_.expression, ports_[place.id()]);
        netlink::Dump dump = table->dump(query);
        note(place, dump.error);
        into_.any_table |= !dump.error || !dump.sockets.empty();
        auto& sockets = into_.sockets.emplace_back(std::move(dump.sockets));
        into_.rows.reserve(into_.rows.size() + sockets.size());
        for (Socket& socket : sockets) {
            if (socket.state == State::listen) socket.info.reset();  // it has none
            take({&socket, nullptr});
        }
        if (wanted_.probes && !wanted_.info) read_probes(*table);
    }

    // A retransmission timer hides earlier unanswered keepalive probes. netstat shows both, and
    // tcp_info has them: these sockets are few, so they are read one by one.
    void read_probes(netlink::SocketTable& table) {
        for (Socket& socket : into_.sockets.back()) {
            if (socket.timer.kind != TimerKind::retransmit) continue;
            const auto found = table.lookup(socket.tuple, {socket.interface});
            if (found && *found && (*found)->cookie == socket.cookie) socket.info = (*found)->info;
        }
    }

    void read_listening(const netlink::Netns& place, netlink::SocketTable& table) {
        netlink::SocketQuery query;
        query.states = state_bit(State::listen);
        query.with_info = false;
        const netlink::Dump dump = table.dump(query);
        note(place, dump.error);
        for (const Socket& socket : dump.sockets)
            into_.view.listening.emplace(place.id(), socket.tuple.local.port);
    }

    void read_unix(const netlink::Netns& place) {
        netlink::UnixDump dump = netlink::dump_unix_sockets(place, wanted_.memory);
        note(place, dump.error);
        if (dump.pending_error)
            into_.gaps.push_back({"netlink", place.label(), errno_name(dump.pending_error->code),
                                  "who waits for a Unix listener to accept is not shown whole"});
        into_.any_table |= !dump.error || !dump.sockets.empty();
        const auto& sockets = into_.unix_sockets.emplace_back(std::move(dump.sockets));
        for (const netlink::UnixSocket& each : sockets) {
            if (each.socket.inode != 0) into_.view.unix_sockets.emplace(each.socket.inode, &each);
            for (const std::uint32_t inode : each.pending)
                into_.view.unix_listeners.emplace(inode, &each);
            if ((states_ & state_bit(each.socket.state)) != 0) take({&each.socket, &each});
        }
    }

    using Owners = std::span<const Process* const>;

    FilterAnswer ask_filter(const SocketRow& row, std::optional<Owners> owners) const {
        FilterSubject subject{.socket = *row.socket, .owners = owners};
        if (filter_.expression) {
            const NetnsId netns = row.socket->netns;
            const auto device = into_.view.devices.find({netns, row.socket->interface});
            if (device != into_.view.devices.end()) subject.device = device->second;
            if (const auto range = ports_.find(netns); range != ports_.end())
                subject.local_ports = range->second;
        }
        return (row.unix_socket == nullptr ? tcp_filter_ : filter_).test(subject);
    }

    void take(const SocketRow& row) {
        const FilterAnswer answer = ask_filter(row, std::nullopt);
        unsure_ |= answer == FilterAnswer::needs_owners;
        if (answer != FilterAnswer::no) into_.rows.push_back(row);
    }

    void read_owners() {
        std::unordered_set<std::uint32_t> inodes;
        inodes.reserve(into_.rows.size());
        for (const SocketRow& row : into_.rows) {
            inodes.insert(row.socket->inode);
            if (row.unix_socket == nullptr) continue;
            inodes.insert(row.unix_socket->peer_inode);
            inodes.insert(row.unix_socket->pending.begin(), row.unix_socket->pending.end());
            if (const auto* peer = render::unix_peer(row, into_.view))
                inodes.insert(peer->socket.inode);
        }
        inodes.erase(0);
        into_.processes = probes::read_processes(inodes);
        std::ranges::move(into_.processes.gaps, std::back_inserter(into_.gaps));
        into_.processes.gaps.clear();
        if (!unsure_) return;
        std::erase_if(into_.rows, [&](const SocketRow& row) {
            const auto owners = render::owners_of(row, into_.processes);
            return ask_filter(row, Owners(owners)) != FilterAnswer::yes;
        });
    }

    const SocketsOptions& options_;
    const Filter& filter_;
    const Filter tcp_filter_;
    const std::uint32_t states_;
    const Wanted wanted_;
    SocketsRead& into_;
    std::map<NetnsId, filter::PortRange> ports_;
    bool unsure_ = false;  // the filter needs the owners of some sockets
};

}  // namespace

void read_sockets(const SocketsOptions& options, const Filter& filter, const Wanted& wanted,
                  SocketsRead& into) {
    Reader(options, filter, wanted, into).run();
}

}  // namespace connleak::cli

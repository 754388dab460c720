#include "collect/probe/namespaces.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "diagnosis/model/phrase.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// Above this number a dump of the whole table is cheaper than single lookups.
constexpr std::size_t few = 32;
// A probe and other segments the kernel may send; a socket that sends more is not idle.
constexpr std::size_t most_seen = 3;

}  // namespace

ProbedNamespaces::ProbedNamespaces(Namespaces& namespaces, std::span<Candidate> candidates)
    : namespaces_(namespaces) {
    for (std::size_t at = 0; at < candidates.size(); ++at) {
        const Socket& socket = *candidates[at].socket;
        Probed& probed = probed_[socket.netns];
        probed.candidates.emplace(socket.tuple, at);
        // The server's port identifies the relevant connections on either side.
        probed.ports.push_back(candidates[at].subject.client_side ? socket.tuple.remote.port
                                                                  : socket.tuple.local.port);
    }
    for (auto& entry : probed_) {
        Probed& probed = entry.second;
        std::ranges::sort(probed.ports);
        const auto repeated = std::ranges::unique(probed.ports);
        probed.ports.erase(repeated.begin(), repeated.end());
        const netlink::Netns* netns = namespaces.find(entry.first);
        if (netns == nullptr) continue;
        probed.label = netns->label();
        const int entering = netns->run([&] {
            auto wire = probes::ProbeChannel::open_here(probed.ports);
            if (wire)
                probed.wire = std::move(*wire);
            else
                probed.error = wire.error();
        });
        if (entering != 0) probed.error = entering;
    }
}

void ProbedNamespaces::tell_gaps(std::span<const Candidate> candidates,
                                 std::vector<Gap>& gaps) const {
    for (const auto& entry : probed_) {
        const NetnsId id = entry.first;
        const Probed& probed = entry.second;
        if (probed.wire) continue;
        const auto undecided = std::ranges::count_if(candidates, [&](const Candidate& each) {
            return each.socket->netns == id && each.proof.outcome == ProbeOutcome::undecided;
        });
        if (undecided == 0) continue;
        gaps.push_back({"netns", probed.label, errno_name(probed.error),
                        fmt::format("{} silent to one probe: without CAP_NET_RAW it cannot be "
                                    "repeated, and one can be lost",
                                    phrase::count(static_cast<std::uint64_t>(undecided), "peer was",
                                                  "peers were"))});
    }
}

bool ProbedNamespaces::has_wire(const Socket& socket) const {
    const auto probed = probed_.find(socket.netns);
    return probed != probed_.end() && probed->second.wire.has_value();
}

void ProbedNamespaces::receive(std::span<Candidate> candidates) {
    for (auto& [id, probed] : probed_) {
        if (!probed.wire) continue;
        probed.wire->receive([&](const probes::ProbeChannel::Seen& seen) {
            const Tuple tuple = seen.outgoing
                                    ? Tuple{seen.segment.source, seen.segment.destination}
                                    : Tuple{seen.segment.destination, seen.segment.source};
            const auto found = probed.candidates.find(tuple);
            if (found == probed.candidates.end()) return;
            Candidate& candidate = candidates[found->second];
            if (!seen.outgoing) {
                candidate.watched.reset_seen |= seen.segment.reset && candidate.watched.probes > 0;
                return;
            }
            if (!candidate.probe || !seen.segment.bare_ack || candidate.seen.size() == most_seen)
                return;
            probes::ProbeChannel::Copy copy;
            copy.packet.assign(seen.packet.begin(), seen.packet.end());
            // Through a bridge or a VLAN, the same packet is seen once per device.
            if (std::ranges::any_of(candidate.seen,
                                    [&](const auto& other) { return other.packet == copy.packet; }))
                return;
            copy.destination = seen.segment.destination;
            copy.interface = candidate.socket->interface;
            if (copy.interface == 0 && copy.destination.address.is_link_local())
                copy.interface = seen.interface;
            candidate.seen.push_back(std::move(copy));
        });
    }
}

bool ProbedNamespaces::send_copy(const Candidate& candidate) {
    const auto probed = probed_.find(candidate.socket->netns);
    if (probed == probed_.end() || !probed->second.wire) return false;
    return probed->second.wire->send(candidate.seen.front()) == 0;
}

void ProbedNamespaces::look(std::span<Candidate> candidates, const std::vector<std::size_t>& which,
                            const std::function<void(std::size_t, const Socket*)>& take) {
    std::map<NetnsId, std::vector<std::size_t>> by_place;
    for (const std::size_t at : which) by_place[candidates[at].socket->netns].push_back(at);
    for (const auto& [id, those] : by_place) {
        const auto probed = probed_.find(id);
        netlink::SocketTable* table = namespaces_.sockets_of(id);
        if (probed == probed_.end() || table == nullptr) continue;
        look_in(probed->second, *table, candidates, those, take);
    }
    namespaces_.release();
}

void ProbedNamespaces::look_in(const Probed& probed, netlink::SocketTable& table,
                               std::span<Candidate> candidates,
                               const std::vector<std::size_t>& which,
                               const std::function<void(std::size_t, const Socket*)>& take) {
    netlink::Dump dump;
    std::unordered_map<std::uint64_t, const Socket*> by_cookie;
    if (which.size() > few) {
        netlink::SocketQuery query;
        query.states = ~state_bit(State::listen);
        query.ports = probed.ports;
        dump = table.dump(query);
        by_cookie.reserve(dump.sockets.size());
        for (const Socket& socket : dump.sockets) by_cookie[socket.cookie] = &socket;
    }
    for (const std::size_t at : which) {
        const Socket& socket = *candidates[at].socket;
        const auto found = by_cookie.find(socket.cookie);
        if (found != by_cookie.end()) {
            take(at, found->second);
            continue;
        }
        // A dump can miss an existing socket; a lookup does not.
        const auto looked =
            table.lookup(socket.tuple, socket.interface != 0 ? std::vector{socket.interface}
                                                             : std::vector<std::uint32_t>());
        if (!looked) continue;
        const bool same = *looked && (*looked)->cookie == socket.cookie;
        // In the kernel, TIME-WAIT is a separate record with its own cookie.
        const bool ending = *looked && (*looked)->state == State::time_wait;
        take(at, same || ending ? &**looked : nullptr);
    }
}

}  // namespace connleak::collect

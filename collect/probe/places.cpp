#include "collect/probe/places.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "diagnosis/model/phrase.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// Above this many a dump of the whole table is cheaper than to ask for each.
constexpr std::size_t few = 32;
// A probe and what the kernel may send beside it; a socket that sends more is not idle.
constexpr std::size_t most_seen = 3;

}  // namespace

ProvingPlaces::ProvingPlaces(Namespaces& namespaces, std::span<Candidate> candidates)
    : namespaces_(namespaces) {
    for (std::size_t at = 0; at < candidates.size(); ++at) {
        const Socket& socket = *candidates[at].socket;
        Place& place = places_[socket.netns];
        place.candidates.emplace(socket.tuple, at);
        // The server's port tells the connections of interest on either side.
        place.ports.push_back(candidates[at].subject.client_side ? socket.tuple.remote.port
                                                                 : socket.tuple.local.port);
    }
    for (auto& entry : places_) {
        Place& place = entry.second;
        std::ranges::sort(place.ports);
        const auto repeated = std::ranges::unique(place.ports);
        place.ports.erase(repeated.begin(), repeated.end());
        const netlink::Netns* netns = namespaces.find(entry.first);
        if (netns == nullptr) continue;
        place.label = netns->label();
        const int entering = netns->run([&] {
            auto wire = probes::ProbeChannel::open_here(place.ports);
            if (wire)
                place.wire = std::move(*wire);
            else
                place.error = wire.error();
        });
        if (entering != 0) place.error = entering;
    }
}

void ProvingPlaces::tell_gaps(std::span<const Candidate> candidates, std::vector<Gap>& gaps) const {
    for (const auto& entry : places_) {
        const NetnsId id = entry.first;
        const Place& place = entry.second;
        if (place.wire) continue;
        const auto undecided = std::ranges::count_if(candidates, [&](const Candidate& each) {
            return each.socket->netns == id && each.proof.outcome == ProbeOutcome::undecided;
        });
        if (undecided == 0) continue;
        gaps.push_back({"netns", place.label, errno_name(place.error),
                        fmt::format("{} silent to one probe: without CAP_NET_RAW it cannot be "
                                    "repeated, and one can be lost",
                                    phrase::count(static_cast<std::uint64_t>(undecided), "peer was",
                                                  "peers were"))});
    }
}

bool ProvingPlaces::has_wire(const Socket& socket) const {
    const auto place = places_.find(socket.netns);
    return place != places_.end() && place->second.wire.has_value();
}

void ProvingPlaces::receive(std::span<Candidate> candidates) {
    for (auto& [id, place] : places_) {
        if (!place.wire) continue;
        place.wire->receive([&](const probes::ProbeChannel::Seen& seen) {
            const Tuple tuple = seen.outgoing
                                    ? Tuple{seen.segment.source, seen.segment.destination}
                                    : Tuple{seen.segment.destination, seen.segment.source};
            const auto found = place.candidates.find(tuple);
            if (found == place.candidates.end()) return;
            Candidate& candidate = candidates[found->second];
            if (!seen.outgoing) {
                candidate.watched.reset_seen |= seen.segment.reset && candidate.watched.probes > 0;
                return;
            }
            if (!candidate.probe || !seen.segment.bare_ack || candidate.seen.size() == most_seen)
                return;
            probes::ProbeChannel::Copy copy;
            copy.packet.assign(seen.packet.begin(), seen.packet.end());
            // On its way through a bridge or a VLAN the same packet is seen once per device.
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

bool ProvingPlaces::send_copy(const Candidate& candidate) {
    const auto place = places_.find(candidate.socket->netns);
    if (place == places_.end() || !place->second.wire) return false;
    return place->second.wire->send(candidate.seen.front()) == 0;
}

void ProvingPlaces::look(std::span<Candidate> candidates, const std::vector<std::size_t>& which,
                         const std::function<void(std::size_t, const Socket*)>& take) {
    std::map<NetnsId, std::vector<std::size_t>> by_place;
    for (const std::size_t at : which) by_place[candidates[at].socket->netns].push_back(at);
    for (const auto& [id, those] : by_place) {
        const auto place = places_.find(id);
        netlink::SocketTable* table = namespaces_.sockets_of(id);
        if (place == places_.end() || table == nullptr) continue;
        look_in(place->second, *table, candidates, those, take);
    }
    namespaces_.release();
}

void ProvingPlaces::look_in(const Place& place, netlink::SocketTable& table,
                            std::span<Candidate> candidates, const std::vector<std::size_t>& which,
                            const std::function<void(std::size_t, const Socket*)>& take) {
    netlink::Dump dump;
    std::unordered_map<std::uint64_t, const Socket*> by_cookie;
    if (which.size() > few) {
        netlink::SocketQuery query;
        query.states = ~state_bit(State::listen);
        query.ports = place.ports;
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
        // A dump can miss a socket that lives; a lookup does not.
        const auto looked =
            table.lookup(socket.tuple, socket.interface != 0 ? std::vector{socket.interface}
                                                             : std::vector<std::uint32_t>());
        if (!looked) continue;
        const bool same = *looked && (*looked)->cookie == socket.cookie;
        // TIME-WAIT is a record of its own in the kernel, with a cookie of its own.
        const bool ending = *looked && (*looked)->state == State::time_wait;
        take(at, same || ending ? &**looked : nullptr);
    }
}

}  // namespace connleak::collect

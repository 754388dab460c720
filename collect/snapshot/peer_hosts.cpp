#include "collect/snapshot/peer_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <iterator>

namespace connleak::collect {

namespace {

// The maximum difference between two clocks. The kernel counts in ticks of up to 10 ms;
// synchronized hosts are within milliseconds, an unsynchronized one can be off by minutes.
constexpr std::int64_t same_clock_ms = 20;
constexpr std::int64_t kept_clock_ms = 2'000;
constexpr std::int64_t loose_clock_ms = 300'000;

// The translation of the namespace and of all namespaces of the same host connected to it.
Translation translation_around(const std::vector<Namespace>& all, const Namespace& place) {
    Translation worst = Translation::none;
    std::vector<const Namespace*> reached{&place};
    for (std::size_t at = 0; at < reached.size(); ++at) {
        const Namespace& here = *reached[at];
        worst = std::max(worst, here.translation);
        if (!here.complete) worst = std::max(worst, Translation::unknown);
        if (here.bridge_translates) worst = Translation::possible;
        for (const Link& each : here.links) {
            if (each.programmed) worst = Translation::possible;
            if (!each.peer_netns) continue;
            const auto next = std::ranges::find(all, *each.peer_netns, &Namespace::id);
            if (next == all.end())
                worst = std::max(worst, Translation::unknown);
            else if (std::ranges::find(reached, &*next) == reached.end())
                reached.push_back(&*next);
        }
    }
    return worst;
}

PeerNamespace peer_namespace(const ParsedSnapshot& snapshot, const Namespace& place) {
    PeerNamespace made;
    made.netns = place.id;
    made.complete = place.complete;
    made.restricted = snapshot.restricted;
    made.translation = translation_around(snapshot.namespaces, place);
    for (InterfaceAddress own : place.addresses) {
        if (own.address.is_loopback()) continue;
        const auto device = std::ranges::find(place.links, own.interface, &Link::index);
        // An address of a virtual device can exist on many hosts at once.
        if (device == place.links.end() || device->loopback || device->kind == "dummy")
            own.interface = 0;
        made.addresses.push_back(own);
    }
    for (const Link& each : place.links) {
        const auto& hardware = each.hardware_address;
        if (!each.loopback && std::ranges::any_of(hardware, [](auto byte) { return byte != 0; }))
            made.hardware_addresses.push_back(hardware);
    }
    return made;
}

}  // namespace

PeerHostsBuilder::PeerHostsBuilder(Sample& sample)
    : sample_(sample),
      own_(read_host()),
      now_ms_(wall_clock_ms()),
      boottime_ms_(boot_clock_ms()),
      synchronized_(clock_is_synchronized()) {
    std::bitset<65536> served;
    for (const Server& server : sample.servers)
        for (const Endpoint& end : server.listening) served.set(end.port);
    for (const Socket& socket : sample.sockets) {
        tuples_.insert(socket.tuple.mirrored());
        peers_.insert(socket.tuple.remote.address);
        if (served[socket.tuple.local.port]) clients_.insert(socket.tuple.remote);
    }
    for (const Server& server : sample.servers) {
        for (const ServerClient& row : server.answer.clients) {
            if (!row.address) continue;
            clients_.insert(*row.address);
            peers_.insert(row.address->address);
        }
    }
}

bool PeerHostsBuilder::wants(const Tuple& tuple) const {
    return clients_.contains(tuple.local) || tuples_.contains(tuple);
}

PeerHostsBuilder::Key PeerHostsBuilder::key_of(const ParsedSnapshot& snapshot, NetnsId id) const {
    return {snapshot.boot_id.empty() ? "host " + snapshot.host_name : snapshot.boot_id, id};
}

void PeerHostsBuilder::add(ParsedSnapshot snapshot, const std::string& name) {
    PeerHost host;
    host.name = std::move(snapshot.host_name);
    host.boot_id = snapshot.boot_id;
    host.same_boot = !snapshot.boot_id.empty() && snapshot.boot_id == own_.boot_id;
    host.taken_at_ms = snapshot.taken_at_ms;
    host.margin_ms = host.same_boot                                          ? same_clock_ms
                     : synchronized_ && snapshot.synchronized.value_or(true) ? kept_clock_ms
                                                                             : loose_clock_ms;
    // Boot time is not affected if the clock was set meanwhile.
    if (host.same_boot && snapshot.boottime_ms)
        host.taken_at_ms =
            std::min(host.taken_at_ms, now_ms_ - (boottime_ms_ - *snapshot.boottime_ms));
    snapshot.host_name = host.name;
    if (host.taken_at_ms > now_ms_ + host.margin_ms) {
        sample_.gaps.push_back(
            {"snapshot", name, "clock",
             fmt::format("it is from {} s in the future by this host's clock, so nothing is "
                         "concluded from it",
                         (host.taken_at_ms - now_ms_ + 999) / 1000)});
        return;
    }

    std::unordered_set<Address> behind;  // of clients that the host translates
    for (const TrackedConnection& each : snapshot.translations)
        behind.insert(each.original.local.address);
    std::map<NetnsId, std::vector<Socket>> sockets;
    for (const Socket& each : snapshot.sockets) sockets[each.netns].push_back(each);
    bool kept = false;
    for (const Namespace& each : snapshot.namespaces) {
        const Key key = key_of(snapshot, each.id);
        auto& newest = newest_[key];
        newest = std::max(newest, host.taken_at_ms);
        const bool live =
            host.same_boot && std::ranges::any_of(sample_.namespaces, [&](const Namespace& here) {
                return here.id == each.id;
            });
        if (live || std::ranges::none_of(each.addresses, [&](const InterfaceAddress& own) {
                return peers_.contains(own.address) || behind.contains(own.address);
            }))
            continue;
        PeerNamespace place = peer_namespace(snapshot, each);
        place.host = hosts_.size();
        place.sockets = std::move(sockets[each.id]);
        candidates_.push_back({key, std::move(place), name});
        kept = true;
    }
    if (!kept) return;
    host.translations = std::move(snapshot.translations);
    host.processes = std::move(snapshot.processes);
    std::unordered_set<std::int32_t> holders;
    for (const auto& [inode, owners] : host.processes.owners)
        for (const Owner& owner : owners) holders.insert(owner.pid);
    std::erase_if(host.processes.by_pid,
                  [&](const auto& each) { return !holders.contains(each.first); });
    hosts_.push_back(std::move(host));
}

bool PeerHostsBuilder::succeeds(const Candidate& newer, const Candidate& older) const {
    const PeerHost& one = hosts_[newer.place.host];
    const PeerHost& other = hosts_[older.place.host];
    return one.taken_at_ms > other.taken_at_ms && one.boot_id != other.boot_id &&
           !one.name.empty() && one.name == other.name &&
           std::ranges::any_of(newer.place.hardware_addresses, [&](const auto& hardware) {
               return std::ranges::find(older.place.hardware_addresses, hardware) !=
                      older.place.hardware_addresses.end();
           });
}

void PeerHostsBuilder::finish() {
    std::erase_if(candidates_, [&](const Candidate& each) {
        return hosts_[each.place.host].taken_at_ms < newest_.at(each.key);
    });
    std::map<Address, std::vector<std::size_t>> by_address;
    for (std::size_t at = 0; at < candidates_.size(); ++at)
        for (const InterfaceAddress& own : candidates_[at].place.addresses)
            by_address[own.address].push_back(at);
    std::set<std::size_t> succeeded;
    std::set<Key> seen;  // for documents that were given twice
    for (std::size_t at = 0; at < candidates_.size(); ++at) {
        if (!seen.insert(candidates_[at].key).second) succeeded.insert(at);
        for (const InterfaceAddress& own : candidates_[at].place.addresses)
            for (const std::size_t other : by_address[own.address])
                if (succeeds(candidates_[other], candidates_[at])) succeeded.insert(at);
    }
    for (std::size_t at = 0; at < candidates_.size(); ++at) {
        if (succeeded.contains(at)) continue;
        PeerNamespace& place = candidates_[at].place;
        const NetnsId id = first_peer_netns + sample_.peer_namespaces.size();
        for (Socket& socket : place.sockets) socket.netns = id;
        if (!place.complete)
            sample_.gaps.push_back({"snapshot", candidates_[at].source, "incomplete",
                                    "nothing is concluded from a peer's absence there"});
        sample_.peer_namespaces.push_back(std::move(place));
    }
    sample_.peer_hosts = std::move(hosts_);
}

}  // namespace connleak::collect

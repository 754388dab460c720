#include "collect/translations.h"

#include <algorithm>
#include <set>

#include "diagnosis/connections/join.h"
#include "netlink/network/conntrack.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// So many connections to one address tell where they go; if it is to several servers, the first
// ones differ already.
constexpr std::size_t most_followed = 32;

std::optional<Tracker::Arrival> arrival_of(Tracker& tracker, const Sample& sample,
                                           const Server& server) {
    const ServerAnswer& answer = server.answer;
    if (answer.own_connection && server.asked_from)
        return tracker.arrival(*server.asked_from, *answer.own_connection);
    std::optional<Tracker::Arrival> only;
    std::size_t followed = 0;
    for (const TrackedConnection& entry : sample.tracked) {
        if (entry.original.remote != server.endpoint) continue;
        const auto arrival = tracker.arrival(entry.netns, entry.original);
        if (!arrival || (only && *arrival != *only)) return std::nullopt;
        only = arrival;
        if (++followed == most_followed) break;
    }
    return only;
}

}  // namespace

void read_translations(Session& session) {
    Sample& sample = session.sample();
    for (const netlink::Netns& place : session.namespaces()) {
        const auto network = std::ranges::find(sample.namespaces, place.id(), &Namespace::id);
        if (network == sample.namespaces.end() || network->translation == Translation::none ||
            network->translation == Translation::unknown)  // which is a gap already
            continue;
        bool zones = false;
        const auto error = netlink::read_tracked_connections(place, [&](const auto& tracked) {
            zones |= tracked.zoned;
            if (tracked.translated() && !tracked.zoned) sample.tracked.push_back(tracked);
        });
        if (error)
            sample.gaps.push_back({"conntrack", place.label(), errno_name(error->code),
                                   "which connections are translated here stays unknown: nothing "
                                   "is concluded from the absence of a peer beyond"});
        if (!zones || network->translation != Translation::tracked) continue;
        network->translation = Translation::possible;
        network->translation_reason += ", and connection tracking has zones";
    }
}

std::optional<Tracker::Arrival> Tracker::arrival(NetnsId from, const Tuple& packets) {
    const Path path = paths_.follow(from, packets);
    if (!path.end || !path.translated) return std::nullopt;
    return Arrival{*path.end, path.packets.remote};
}

bool Tracker::reaches_known_server(const Socket& client) {
    if (!paths_.translators()) return false;
    const auto there = arrival(client.netns, client.tuple);
    return there && std::ranges::any_of(session_.sample().servers, [&](const Server& server) {
               return server.netns == there->netns && listens_on(server, there->end);
           });
}

void find_translated_servers(Session& session) {
    Sample& sample = session.sample();
    if (std::ranges::none_of(sample.servers, [](const Server& server) {
            return server.path.empty() && server.listening.empty();
        }))
        return;
    Tracker tracker(session);
    std::vector<Socket> listeners;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        Server& server = sample.servers[at];
        if (!server.path.empty() || !server.listening.empty()) continue;
        const auto there = arrival_of(tracker, sample, server);
        if (!there) continue;
        if (listeners.empty()) {
            netlink::SocketQuery query;
            query.states = state_bit(State::listen);
            query.with_info = false;
            listeners = session.dump(query);
        }
        Server found = server;
        for (const Socket& socket : listeners)
            if (socket.netns == there->netns && socket.tuple.local.port == there->end.port)
                found.listening.push_back(socket.tuple.local);
        if (!listens_on(found, there->end)) continue;
        found.netns = there->netns;
        server = std::move(found);
    }
}

void add_translated_ports(Session& session, std::vector<std::uint16_t>& ports) {
    std::set<std::uint16_t> all(ports.begin(), ports.end());
    std::vector<TrackedConnection>& tracked = session.sample().tracked;
    // Several translators in a row, in whatever order their tables were read.
    for (std::size_t before = 0; before != all.size();) {
        before = all.size();
        for (const TrackedConnection& entry : tracked)
            if (all.contains(entry.reply.local.port)) all.insert(entry.original.remote.port);
    }
    std::erase_if(tracked, [&](const TrackedConnection& entry) {
        return !all.contains(entry.reply.local.port);
    });
    ports.assign(all.begin(), all.end());
}

}  // namespace connleak::collect

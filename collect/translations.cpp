#include "collect/translations.h"

#include <algorithm>
#include <set>
#include <utility>

#include "diagnosis/connections/join.h"
#include "netlink/network/conntrack.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// This many connections to one address show where they go; if they go to several servers, the first
// ones already differ.
constexpr std::size_t most_followed = 32;

bool is_unplaced(const Server& server) {
    return server.path.empty() && server.listening.empty();
}

std::optional<Tracker::Arrival> by_connections(Tracker& tracker, const Sample& sample,
                                               const Server& server) {
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

template <typename Find>
std::vector<Server> place(Namespaces& namespaces, const Sample& sample,
                          const std::vector<Socket>& listeners, std::vector<Server> servers,
                          const Find& find) {
    if (std::ranges::none_of(servers, is_unplaced)) return servers;
    Tracker tracker(namespaces, sample);
    for (Server& server : servers) {
        if (!is_unplaced(server)) continue;
        const std::optional<Tracker::Arrival> there = find(tracker, server);
        if (!there) continue;
        std::vector<Endpoint> listening;
        for (const Socket& socket : listeners)
            if (socket.netns == there->netns && socket.tuple.local.port == there->end.port)
                listening.push_back(socket.tuple.local);
        std::swap(server.listening, listening);
        if (listens_on(server, there->end))
            server.netns = there->netns;
        else
            server.listening.clear();
    }
    return servers;
}

}  // namespace

Translations read_translations(const Namespaces& namespaces, std::vector<Namespace> networks) {
    Translations read;
    for (Namespace& network : networks) {
        const netlink::Netns* netns = namespaces.find(network.id);
        if (netns == nullptr || network.translation == Translation::none ||
            network.translation == Translation::unknown)  // already reported as a gap
            continue;
        bool zones = false;
        const auto error = netlink::read_tracked_connections(*netns, [&](const auto& tracked) {
            zones |= tracked.zoned;
            if (tracked.translated() && !tracked.zoned) read.tracked.push_back(tracked);
        });
        if (error)
            read.gaps.push_back({"conntrack", netns->label(), errno_name(error->code),
                                 "which connections are translated here stays unknown: nothing "
                                 "is concluded from the absence of a peer beyond"});
        if (!zones || network.translation != Translation::tracked) continue;
        network.translation = Translation::possible;
        network.translation_reason += ", and connection tracking has zones";
    }
    read.networks = std::move(networks);
    return read;
}

std::optional<Tracker::Arrival> Tracker::arrival(NetnsId from, const Tuple& packets) {
    const Path path = paths_.follow(from, packets);
    if (!path.end || !path.translated) return std::nullopt;
    return Arrival{*path.end, path.packets.remote};
}

bool Tracker::reaches_any(const std::vector<Server>& servers, const Socket& client) {
    if (!paths_.translators()) return false;
    const auto there = arrival(client.netns, client.tuple);
    return there && std::ranges::any_of(servers, [&](const Server& server) {
               return server.netns == there->netns && listens_on(server, there->end);
           });
}

std::vector<Server> place_by_connections(Namespaces& namespaces, const Sample& sample,
                                         const std::vector<Socket>& listeners,
                                         std::vector<Server> servers) {
    return place(namespaces, sample, listeners, std::move(servers),
                 [&](Tracker& tracker, const Server& server) {
                     return by_connections(tracker, sample, server);
                 });
}

std::vector<Server> place_by_own_connection(Namespaces& namespaces, const Sample& sample,
                                            const std::vector<Socket>& listeners,
                                            std::vector<Server> servers) {
    return place(namespaces, sample, listeners, std::move(servers),
                 [](Tracker& tracker, const Server& server) -> std::optional<Tracker::Arrival> {
                     const ServerAnswer& answer = server.answer;
                     if (!answer.own_connection || !server.asked_from) return std::nullopt;
                     return tracker.arrival(*server.asked_from, *answer.own_connection);
                 });
}

std::vector<std::uint16_t> with_translated_ports(const std::vector<TrackedConnection>& tracked,
                                                 const std::vector<std::uint16_t>& ports) {
    std::set<std::uint16_t> all(ports.begin(), ports.end());
    // Several translators can follow each other, in any order of reading.
    for (std::size_t before = 0; before != all.size();) {
        before = all.size();
        for (const TrackedConnection& entry : tracked)
            if (all.contains(entry.reply.local.port)) all.insert(entry.original.remote.port);
    }
    return {all.begin(), all.end()};
}

}  // namespace connleak::collect

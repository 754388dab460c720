#include "collect/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "netlink/network/network.h"
#include "system/errno_name.h"

namespace connleak::collect {

netlink::NetnsSearch find_namespaces(const std::string& which) {
    if (which == "all") return netlink::find_all_netns();
    if (which == "self") return netlink::find_own_netns();
    return netlink::find_netns(which);
}

Session::Session(const Request& request) : request_(request) {
    netlink::NetnsSearch search = find_namespaces(request.netns);
    namespaces_ = std::move(search.found);
    sample_.gaps = std::move(search.gaps);
    sample_.password_file = request.password_file;
    sample_.password_asked = request.ask_password;
    sample_.defaults_file = request.defaults_file;
    sample_.tls_words = request.tls_arguments;
    sample_.can_tls = probes::why_no_tls().empty();
    for (const netlink::Netns& place : namespaces_) {
        Namespace network;
        network.id = place.id();
        network.name = place.name();
        network.own = place.own();
        std::ranges::move(netlink::read_network(place, namespaces_, network),
                          std::back_inserter(sample_.gaps));
        auto table = netlink::SocketTable::open(place);
        if (table) {
            tables_.emplace(place.id(), std::move(*table));
        } else {
            network.complete = false;
            sample_.gaps.push_back({"netlink", place.label(), errno_name(table.error().code),
                                    "the sockets of this network namespace are not known"});
        }
        sample_.namespaces.push_back(std::move(network));
    }
}

const netlink::Netns* Session::netns(NetnsId id) const {
    const auto found = std::ranges::find(namespaces_, id, &netlink::Netns::id);
    return found == namespaces_.end() ? nullptr : &*found;
}

const Namespace* Session::network(NetnsId id) const {
    const auto found = std::ranges::find(sample_.namespaces, id, &Namespace::id);
    return found == sample_.namespaces.end() ? nullptr : &*found;
}

netlink::SocketTable* Session::table(NetnsId id) {
    const auto found = tables_.find(id);
    return found == tables_.end() ? nullptr : &found->second;
}

netlink::TrackingTable* Session::tracking(NetnsId id) {
    auto [entry, first] = trackings_.try_emplace(id);
    const netlink::Netns* place = first ? netns(id) : nullptr;
    if (place != nullptr) {
        if (auto opened = netlink::TrackingTable::open(*place))
            entry->second.emplace(std::move(*opened));
    }
    return entry->second ? &*entry->second : nullptr;
}

std::vector<Socket> Session::dump(const netlink::SocketQuery& query) {
    std::vector<Socket> all;
    for (const netlink::Netns& place : namespaces_) {
        netlink::SocketTable* its = table(place.id());
        if (its == nullptr) continue;
        netlink::Dump dump = its->dump(query);
        sockets_read += dump.sockets.size();
        if (dump.error) {
            sample_.gaps.push_back({"netlink", place.label(), errno_name(dump.error->code),
                                    "some sockets of this network namespace may be missing"});
        }
        if (all.empty())
            all = std::move(dump.sockets);
        else
            std::ranges::move(dump.sockets, std::back_inserter(all));
    }
    return all;
}

}  // namespace connleak::collect

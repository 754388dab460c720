#include "collect/namespaces.h"

#include <algorithm>
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

const netlink::Netns* Namespaces::find(NetnsId id) const {
    const auto found = std::ranges::find(found_, id, &netlink::Netns::id);
    return found == found_.end() ? nullptr : &*found;
}

Read<std::vector<Namespace>> Namespaces::read_networks() {
    Read<std::vector<Namespace>> read;
    for (const netlink::Netns& netns : found_) {
        Namespace& network = read.value.emplace_back();
        network.id = netns.id();
        network.name = netns.name();
        network.own = netns.own();
        std::ranges::move(netlink::read_network(netns, found_, network),
                          std::back_inserter(read.gaps));
        const auto table = open_sockets(netns);
        if (table) continue;
        network.complete = false;
        read.gaps.push_back({"netlink", netns.label(), errno_name(table.error()),
                             "the sockets of this network namespace are not known"});
    }
    return read;
}

Read<std::vector<Socket>> Namespaces::read_sockets(const netlink::SocketQuery& query) {
    Read<std::vector<Socket>> read;
    for (const netlink::Netns& netns : found_) {
        const auto table = open_sockets(netns);
        const auto lacks = [&](int error, const char* what) {
            read.gaps.push_back({"netlink", netns.label(), errno_name(error), what});
        };
        if (!table) {
            lacks(table.error(), "the sockets of this network namespace are not known");
            continue;
        }
        netlink::Dump dump = (*table)->dump(query);
        count_read(dump.sockets.size());
        if (dump.error)
            lacks(dump.error->code, "some sockets of this network namespace may be missing");
        if (read.value.empty())
            read.value = std::move(dump.sockets);
        else
            std::ranges::move(dump.sockets, std::back_inserter(read.value));
    }
    return read;
}

std::expected<netlink::SocketTable*, int> Namespaces::open_sockets(const netlink::Netns& netns) {
    const auto known = socket_tables_.find(netns.id());
    if (known != socket_tables_.end()) return &known->second;
    auto opened = netlink::SocketTable::open(netns);
    if (!opened) return std::unexpected(opened.error().code);
    return &socket_tables_.emplace(netns.id(), std::move(*opened)).first->second;
}

netlink::SocketTable* Namespaces::sockets_of(NetnsId id) {
    const netlink::Netns* netns = find(id);
    return netns == nullptr ? nullptr : open_sockets(*netns).value_or(nullptr);
}

netlink::TrackingTable* Namespaces::tracking_of(NetnsId id) {
    auto [entry, first] = tracking_tables_.try_emplace(id);
    const netlink::Netns* netns = first ? find(id) : nullptr;
    if (netns != nullptr) {
        if (auto opened = netlink::TrackingTable::open(*netns))
            entry->second.emplace(std::move(*opened));
    }
    return entry->second ? &*entry->second : nullptr;
}

void Namespaces::release() {
    socket_tables_.clear();
    tracking_tables_.clear();
    for (netlink::Netns& netns : found_) netns.release();
}

const Namespace* find_network(const std::vector<Namespace>& networks, NetnsId id) {
    const auto found = std::ranges::find(networks, id, &Namespace::id);
    return found == networks.end() ? nullptr : &*found;
}

}  // namespace connleak::collect

#include "diagnosis/path.h"

#include <algorithm>

namespace connleak {

namespace {

// More layer 3 hops than this between namespaces of one machine is no topology that is understood
// here.
constexpr int max_hops = 8;

void worsen(Path& path, Translation translation, const std::string& reason) {
    // "possible" is worse than "unknown": it has been seen.
    const auto rank = [](Translation value) {
        return value == Translation::none ? 0 : value == Translation::unknown ? 1 : 2;
    };
    if (rank(translation) <= rank(path.translation)) return;
    path.translation = translation;
    path.reason = reason;
}

}  // namespace

PathFinder::PathFinder(const std::vector<Namespace>& namespaces, Witness& witness)
    : witness_(witness) {
    for (const Namespace& netns : namespaces) {
        by_id_[netns.id] = &netns;
        for (const InterfaceAddress& own : netns.addresses) {
            auto& owners = by_address_[own.address];
            if (std::ranges::find(owners, netns.id) == owners.end()) owners.push_back(netns.id);
        }
    }
    for (const Namespace& netns : namespaces) {
        for (const Link& device : netns.links) {
            if (!device.loopback)
                attached_[segment_of(netns, device).id].push_back({&netns, &device});
        }
    }
}

const std::vector<NetnsId>& PathFinder::owners(const Address& address) const {
    static const std::vector<NetnsId> nobody;
    const auto found = by_address_.find(address);
    return found == by_address_.end() ? nobody : found->second;
}

bool PathFinder::owns(NetnsId netns, const Address& address) const {
    if (address.is_loopback()) return true;
    const auto& all = owners(address);
    return std::ranges::find(all, netns) != all.end();
}

const Namespace* PathFinder::get(NetnsId netns) const {
    const auto found = by_id_.find(netns);
    return found == by_id_.end() ? nullptr : found->second;
}

const Link* PathFinder::link(NetnsId netns, std::uint32_t index) const {
    const Namespace* place = get(netns);
    if (place == nullptr) return nullptr;
    const auto found = std::ranges::find(place->links, index, &Link::index);
    return found == place->links.end() ? nullptr : &*found;
}

PathFinder::Segment PathFinder::bridge_segment(const Namespace& netns, const Link& bridge) const {
    Segment segment{.id = {netns.id, bridge.index},
                    .closed = netns.complete,
                    .programmed = bridge.programmed || netns.bridge_translates};
    for (const Link& port : netns.links) {
        if (port.master != bridge.index) continue;
        segment.programmed |= port.programmed;
        // A port that is no cable to a namespace in sight can lead anywhere.
        if (port.kind != "veth" || !port.peer_netns ||
            link(*port.peer_netns, port.peer_index) == nullptr || !get(*port.peer_netns)->complete)
            segment.closed = false;
    }
    return segment;
}

PathFinder::Segment PathFinder::segment_of(const Namespace& netns, const Link& device) const {
    if (device.kind == "bridge") return bridge_segment(netns, device);
    const Segment open{
        .id = {netns.id, device.index}, .closed = false, .programmed = device.programmed};
    if (device.master != 0) {
        const Link* master = link(netns.id, device.master);
        if (master != nullptr && master->kind == "bridge") return bridge_segment(netns, *master);
        return open;  // a port of a bond or a VRF: not followed
    }
    if (device.kind == "veth" && device.peer_netns) {
        const Link* peer = link(*device.peer_netns, device.peer_index);
        if (peer == nullptr) return open;
        Segment segment;
        if (peer->master != 0) {
            const Link* master = link(*device.peer_netns, peer->master);
            if (master == nullptr || master->kind != "bridge") return open;
            segment = bridge_segment(*get(*device.peer_netns), *master);
        } else {
            segment.id = std::min(SegmentId{netns.id, device.index},
                                  SegmentId{*device.peer_netns, device.peer_index});
            segment.closed = true;
        }
        segment.programmed |= device.programmed || peer->programmed;
        return segment;
    }
    if (device.kind == "macvlan" || device.kind == "ipvlan") {
        // Those that share a lower device share its segment, and that device leads out of sight.
        Segment segment = open;
        segment.id = {device.peer_netns.value_or(netns.id), device.peer_index};
        return segment;
    }
    return open;
}

const Namespace* PathFinder::across(const Namespace& from, const Link& out, const Segment& segment,
                                    const Address& next_hop, bool& programmed, bool& leaves) {
    const auto attached = attached_.find(segment.id);
    static const std::vector<Attachment> nobody;
    std::vector<Attachment> ends;
    for (const Attachment& there : attached == attached_.end() ? nobody : attached->second) {
        // A device of the bridge's own namespace that is only a port carries frames, it does not
        // end them.
        if (there.netns->id != from.id && there.link->master == 0) ends.push_back(there);
    }
    // On a cable there is only the other end, whatever address the next hop has (a router that
    // answers for others, proxy_arp). Where several are attached it is one that has the address.
    std::vector<Attachment> candidates = ends;
    if (ends.size() != 1 || !segment.closed)
        std::erase_if(candidates,
                      [&](const Attachment& there) { return !owns(there.netns->id, next_hop); });
    // Where everything on the segment is in sight that is enough; else only the neighbour entry can
    // tell: the frames go to the device with that link-layer address. An entry that names another
    // device is always right: the address has moved.
    const auto hardware = witness_.neighbour(from.id, out.index, next_hop);
    leaves = candidates.empty() && !segment.closed &&
             std::ranges::none_of(ends, [&](const Attachment& there) {
                 return hardware && there.link->hardware_address == *hardware;
             });
    if (candidates.size() != 1 || !segment.closed || hardware) {
        if (!hardware || hardware->empty()) return nullptr;
        std::erase_if(candidates, [&](const Attachment& there) {
            return there.link->hardware_address != *hardware;
        });
        if (candidates.size() != 1) return nullptr;
    }
    programmed |= candidates.front().link->programmed;
    return candidates.front().netns;
}

Path PathFinder::walk(NetnsId from, const Address& to) {
    Path path;
    const Namespace* here = get(from);
    for (int hop = 0; hop < max_hops && here != nullptr; ++hop) {
        path.visited.push_back(here->id);
        worsen(path, here->translation, here->translation_reason);
        if (!here->complete) {
            path.reason = "a namespace on the way could not be read whole";
            return path;
        }
        const auto route = to.is_loopback()
                               ? Hop{.local = true, .plain = true, .interface = 0, .gateway = {}}
                               : witness_.route(here->id, to);
        if (!route) {
            path.reason = "no route to " + to.text();
            return path;
        }
        if (route->local) {
            if (std::ranges::any_of(
                    here->links, [](const Link& each) { return each.loopback && each.programmed; }))
                worsen(path, Translation::possible, "a packet program sits on the loopback device");
            path.end = here->id;
            return path;
        }
        const Link* out = link(here->id, route->interface);
        if (!route->plain || out == nullptr || to.is_link_local()) {
            path.reason = "the route to " + to.text() + " has more than one way";
            return path;
        }
        if (hop == 0) path.interface = route->interface;
        const Address next_hop = route->gateway.family() == Family::none ? to : route->gateway;
        const Segment segment = segment_of(*here, *out);
        bool programmed = segment.programmed;
        bool leaves = false;
        const NetnsId from_here = here->id;
        here = across(*here, *out, segment, next_hop, programmed, leaves);
        if (leaves) path.exit = Path::Exit{from_here, route->interface, next_hop == to};
        if (programmed)
            worsen(path, Translation::possible,
                   "a packet program sits on the way over " + out->name);
    }
    path.reason = "the way to " + to.text() + " leads out of sight";
    return path;
}

const Path& PathFinder::find(NetnsId from, const Address& to) {
    const auto key = std::pair{from, to};
    const auto known = found_.find(key);
    if (known != found_.end()) return known->second;
    return found_.emplace(key, walk(from, to)).first->second;
}

}  // namespace connleak

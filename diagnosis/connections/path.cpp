#include "diagnosis/connections/path.h"

#include <algorithm>

namespace connleak {

namespace {

// A path with more layer 3 hops than this between namespaces of one machine is not followed.
constexpr int max_hops = 8;

void worsen(Path& path, Translation translation, const std::string& reason) {
    if (translation <= path.translation) return;
    path.translation = translation;
    path.reason = reason;
}

}  // namespace

PathFinder::PathFinder(const Sample& sample, Witness& witness) : witness_(witness) {
    for (const TrackedConnection& entry : sample.tracked) {
        if (entry.translated()) rewritten_.insert({entry.original, entry.reply});
    }
    for (const Namespace& netns : sample.namespaces) {
        translators_ |= netns.translation != Translation::none;
        by_id_[netns.id] = &netns;
        for (const InterfaceAddress& own : netns.addresses) {
            auto& owners = by_address_[own.address];
            if (std::ranges::find(owners, netns.id) == owners.end()) owners.push_back(netns.id);
        }
    }
    for (const Namespace& netns : sample.namespaces) {
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
                    .programmed = bridge.programmed,
                    .filtered = netns.bridge_translates};
    for (const Link& port : netns.links) {
        if (port.master != bridge.index) continue;
        segment.programmed |= port.programmed;
        // A port that is not a veth to a namespace in sight can lead anywhere.
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
        // Devices with the same lower device share its segment, and that device leads out of sight.
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
        // A device of the bridge's own namespace that is only a port forwards frames; it does not
        // receive them.
        if (there.netns->id != from.id && there.link->master == 0) ends.push_back(there);
    }
    // A veth pair has only one other end, whatever address the next hop has (a router with
    // proxy_arp answers for others). If several devices are attached, it is one that has the
    // address.
    std::vector<Attachment> candidates = ends;
    if (ends.size() != 1 || !segment.closed)
        std::erase_if(candidates,
                      [&](const Attachment& there) { return !owns(there.netns->id, next_hop); });
    // If the whole segment is in sight, that is enough. Otherwise only the neighbour entry decides:
    // the frames go to the device with that link-layer address. An entry that names another device
    // is always right: the address has moved.
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

PathFinder::Leg PathFinder::find_leg(const Namespace& here, const Address& to) {
    Leg leg;
    if (!here.complete) {
        leg.reason = "a namespace on the way could not be read whole";
        return leg;
    }
    const auto route = to.is_loopback()
                           ? Hop{.local = true, .plain = true, .interface = 0, .gateway = {}}
                           : witness_.route(here.id, to);
    if (!route) {
        leg.reason = "no route to " + to.text();
        return leg;
    }
    if (route->local) {
        leg.local = true;
        leg.device = "lo";
        leg.programmed = std::ranges::any_of(
            here.links, [](const Link& each) { return each.loopback && each.programmed; });
        return leg;
    }
    const Link* out = link(here.id, route->interface);
    if (!route->plain || out == nullptr || to.is_link_local()) {
        leg.reason = "the route to " + to.text() + " has more than one way";
        return leg;
    }
    leg.interface = route->interface;
    leg.device = out->name;
    const Address next_hop = route->gateway.family() == Family::none ? to : route->gateway;
    const Segment segment = segment_of(here, *out);
    leg.programmed = segment.programmed;
    if (segment.filtered) leg.filter = get(segment.id.first);
    bool leaves = false;
    leg.next = across(here, *out, segment, next_hop, leg.programmed, leaves);
    if (leaves) leg.exit = Path::Exit{here.id, route->interface, next_hop == to};
    if (leg.next == nullptr) leg.reason = "the way to " + to.text() + " leads out of sight";
    return leg;
}

const PathFinder::Leg& PathFinder::leg(const Namespace& here, const Address& to) {
    const auto key = std::pair{here.id, to};
    const auto known = legs_.find(key);
    if (known != legs_.end()) return known->second;
    return legs_.emplace(key, find_leg(here, to)).first->second;
}

// An entry has the addresses before and after the namespace, for both directions
// (nf_nat_manip_pkt()). Destinations are rewritten before the route lookup.
void PathFinder::pass(const Namespace& place, bool follow, Path& path) {
    if (place.translation == Translation::none) return;
    const auto asked = follow ? witness_.tracked(place.id, path.packets) : Witness::Tracking();
    if (!asked.entry) {
        const bool unknown = follow && !asked.known && place.translation == Translation::tracked;
        return worsen(path, unknown ? Translation::unknown : place.translation,
                      place.translation_reason);
    }
    const TrackedConnection& entry = *asked.entry;
    const Tuple before = path.packets;
    path.packets = (entry.original == before ? entry.reply : entry.original).mirrored();
    path.translated |= path.packets != before;
    if (place.translation != Translation::tracked)
        worsen(path, place.translation, place.translation_reason);
}

// Bridge netfilter can also redirect packets away from the bridge: only packets known to be
// unchanged are followed.
void PathFinder::pass_bridge(const Namespace& place, bool follow, Path& path) {
    const auto asked = follow ? witness_.tracked(place.id, path.packets) : Witness::Tracking();
    if (asked.entry && !asked.entry->translated() && place.translation == Translation::tracked)
        return;
    worsen(path, Translation::possible, "bridged packets pass " + place.translation_reason);
}

Path PathFinder::walk(NetnsId from, const Tuple& packets, bool follow) {
    Path path;
    path.packets = packets;
    const Namespace* here = get(from);
    for (int hop = 0; hop < max_hops && here != nullptr; ++hop) {
        pass(*here, follow, path);
        path.visited.push_back({here->id, path.packets});
        const Leg& next = leg(*here, path.packets.remote.address);
        if (hop == 0) path.interface = next.interface;
        if (next.exit) path.exit = next.exit;
        if (next.programmed)
            worsen(path, Translation::possible,
                   "a packet program sits on the way over " + next.device);
        // The rules of both ends of the hop are checked there.
        if (next.filter != nullptr &&
            !(follow && (next.filter == here || next.filter == next.next)))
            pass_bridge(*next.filter, follow, path);
        if (next.local) {
            path.end = here->id;
            return path;
        }
        if (next.next == nullptr) path.reason = next.reason;
        here = next.next;
    }
    if (here != nullptr || path.visited.empty())
        path.reason = "the way to " + path.packets.remote.address.text() + " leads out of sight";
    return path;
}

const Path& PathFinder::find(NetnsId from, const Address& to) {
    const auto key = std::pair{from, to};
    const auto known = found_.find(key);
    if (known != found_.end()) return known->second;
    return found_.emplace(key, walk(from, {{}, {to, 0}}, false)).first->second;
}

Path PathFinder::follow(NetnsId from, const Tuple& packets) {
    return walk(from, packets, true);
}

}  // namespace connleak

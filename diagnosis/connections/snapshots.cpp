#include "diagnosis/connections/snapshots.h"

#include <algorithm>

namespace connleak {

namespace {

bool lives(State state) {
    return state != State::listen && state != State::time_wait && state != State::closed;
}

bool in_prefix(const Address& address, const InterfaceAddress& network) {
    const auto one = address.bytes();
    const auto other = network.address.bytes();
    if (one.size() != other.size() || network.prefix_length > one.size() * 8) return false;
    const std::size_t whole = network.prefix_length / 8;
    const unsigned rest = network.prefix_length % 8;
    if (!std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(whole), other.begin()))
        return false;
    return rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0;
}

// Container engines and clouds derive the link-layer address from the IPv4 address. Such an address
// is the same wherever that IPv4 address is used, so it does not distinguish hosts.
bool made_from(const std::vector<std::uint8_t>& hardware, const Address& address) {
    const auto bytes = address.bytes();
    return bytes.size() == 4 && hardware.size() == 6 &&
           std::equal(bytes.begin(), bytes.end(), hardware.begin() + 2);
}

}  // namespace

Snapshots::Snapshots(const Sample& sample, PathFinder& paths, Witness& witness)
    : sample_(sample), paths_(paths), witness_(witness), ahead_ms_(sample.peer_hosts.size()) {
    for (const PeerNamespace& place : sample.peer_namespaces) {
        for (const InterfaceAddress& own : place.addresses) {
            auto& owners = by_address_[own.address];
            if (std::ranges::find(owners, &place) == owners.end()) owners.push_back(&place);
        }
        for (const Socket& socket : place.sockets) {
            if (!lives(socket.state)) continue;
            by_tuple_.emplace(socket.tuple, &socket);
            living_by_local_end_.emplace(socket.tuple.local, &socket);
        }
    }
    for (std::size_t host = 0; host < sample.peer_hosts.size(); ++host)
        for (const TrackedConnection& each : sample.peer_hosts[host].translations)
            translated_.emplace(each.reply, std::pair{host, &each});
    if (!by_tuple_.empty()) compare_clocks();
}

// Our side receives data after the other side has sent it. So the time since our side last received
// is at most the snapshot's age plus the time since the other side's last send at that moment. If a
// snapshot claims to be younger than that allows, its clock is ahead.
void Snapshots::compare_clocks() {
    const std::int64_t now = witness_.now_ms();
    for (const Socket& ours : sample_.sockets) {
        if (ours.state != State::established || !ours.info) continue;
        const auto [first, last] = by_tuple_.equal_range(ours.tuple.mirrored());
        for (auto found = first; found != last; ++found) {
            const Socket& theirs = *found->second;
            if (theirs.state != State::established || !theirs.info) continue;
            const std::size_t at = sample_.peer(theirs.netns)->host;
            const std::int64_t passed = std::int64_t{ours.info->last_data_received_ms} -
                                        std::int64_t{theirs.info->last_data_sent_ms};
            const std::int64_t claimed = now - sample_.peer_hosts[at].taken_at_ms;
            ahead_ms_[at] = std::max(ahead_ms_[at], passed - claimed);
        }
    }
}

std::int64_t Snapshots::age_ms(const PeerHost& host) {
    const auto at = static_cast<std::size_t>(&host - sample_.peer_hosts.data());
    return std::max<std::int64_t>(0, witness_.now_ms() - host.taken_at_ms + ahead_ms_[at]);
}

const PeerNamespace* Snapshots::owner(const Address& address) const {
    const auto found = by_address_.find(address);
    if (found == by_address_.end() || found->second.size() != 1) return nullptr;
    // Namespaces in sight have been asked already, and an address that two have is ambiguous.
    if (address.is_loopback() || address.is_link_local() || address.is_unspecified() ||
        !paths_.owners(address).empty())
        return nullptr;
    const PeerNamespace& place = *found->second.front();
    const auto own = std::ranges::find(place.addresses, address, &InterfaceAddress::address);
    return own->interface != 0 ? &place : nullptr;
}

bool Snapshots::cover(const Address& address) const {
    return owner(address) != nullptr;
}

const Socket* Snapshots::find(const PeerNamespace& place, const Tuple& tuple) const {
    const auto netns =
        first_peer_netns + static_cast<NetnsId>(&place - sample_.peer_namespaces.data());
    const auto [first, last] = by_tuple_.equal_range(tuple);
    for (auto found = first; found != last; ++found)
        if (found->second->netns == netns) return found->second;
    return nullptr;
}

// The row's age dates from when the server was asked, which can be a while ago.
bool Snapshots::is_younger(const PeerNamespace& place, const ServerClient* row) const {
    if (row == nullptr || !row->age_s) return false;
    const PeerHost& host = sample_.peer_hosts[place.host];
    const std::int64_t age_then = sample_.asked_at_ms - host.taken_at_ms + ahead_ms_[place.host];
    return (*row->age_s + 1) * 1000 + host.margin_ms < age_then;
}

// Nothing was heard from the peer since the snapshot was taken. So the connection is also older
// than the snapshot: the kernel's time since the last data counts from the socket's creation.
bool Snapshots::silent_since(const PeerNamespace& place, const Socket& held) {
    const auto heard = last_heard_ms(held);
    const PeerHost& host = sample_.peer_hosts[place.host];
    return heard && *heard >= age_ms(host) + host.margin_ms;
}

PeerView Snapshots::view_of(const Socket& peer, bool silent, bool younger) {
    const bool open = peer.state == State::established || peer.state == State::syn_sent ||
                      peer.state == State::syn_received;
    // The snapshot shows an earlier connection that used the same port.
    if (younger || (!open && !silent)) return PeerView::outdated;
    return open ? PeerView::present : PeerView::closing;
}

std::optional<Snapshots::Answer> Snapshots::behind(const PeerNamespace& place,
                                                   const Tuple& server_tuple, bool silent,
                                                   bool younger) const {
    const TrackedConnection* entry = nullptr;
    const auto [first, last] = translated_.equal_range(server_tuple);
    for (auto found = first; found != last; ++found) {
        const auto& [host, each] = found->second;
        if (host != place.host || each->netns != place.netns) continue;
        if (entry != nullptr) return std::nullopt;
        entry = each;
    }
    if (entry == nullptr) return std::nullopt;
    Answer answer{PeerView::maybe_translated, nullptr, entry->original};
    const Socket* only = nullptr;
    const auto [begin, end] = by_tuple_.equal_range(entry->original);
    for (auto found = begin; found != end; ++found) {
        if (sample_.peer(found->second->netns)->host != place.host) continue;
        if (only != nullptr) return answer;
        only = found->second;
    }
    if (only == nullptr) return answer;
    answer.view = view_of(*only, silent, younger);
    if (answer.view == PeerView::present) answer.socket = only;
    return answer;
}

Snapshots::Answer Snapshots::client_of(const Socket& held, const ServerClient* row) {
    const PeerNamespace* place = owner(held.tuple.remote.address);
    if (place == nullptr) return {};
    const bool silent = silent_since(*place, held);
    if (const Socket* peer = find(*place, held.tuple.mirrored())) {
        const PeerView view = view_of(*peer, silent, is_younger(*place, row));
        return {view, view == PeerView::present ? peer : nullptr};
    }
    if (auto answer = behind(*place, held.tuple, silent, is_younger(*place, row))) return *answer;
    if (!place->complete) return {};
    // A host that shares the address with containers, or lists only some of its sockets, may hold
    // the connection under another tuple.
    if (place->translation != Translation::none || place->restricted)
        return {PeerView::maybe_translated, nullptr};
    if (!silent) return {PeerView::outdated, nullptr};
    const auto [first, last] = living_by_local_end_.equal_range(held.tuple.remote);
    const auto netns =
        first_peer_netns + static_cast<NetnsId>(place - sample_.peer_namespaces.data());
    for (auto found = first; found != last; ++found)
        if (found->second->netns == netns) return {PeerView::maybe_translated, nullptr};
    return {look_at_way(*place, held), nullptr};
}

PeerView Snapshots::look_at_way(const PeerNamespace& place, const Socket& held) {
    const Address& peer = held.tuple.remote.address;
    const Path& path = paths_.find(held.netns, peer);
    if (path.translation != Translation::none) return PeerView::maybe_translated;
    if (!path.exit) return PeerView::out_of_sight;
    if (held.interface != 0 && held.interface != path.interface) return PeerView::out_of_sight;

    // Both sides must regard the other as on-link, or neither. Otherwise this address belongs to
    // another host in another network.
    const bool shares_link = std::ranges::any_of(place.addresses, [&](const auto& own) {
        return own.address == peer && in_prefix(held.tuple.local.address, own);
    });
    if (!path.exit->on_link) return shares_link ? PeerView::out_of_sight : PeerView::absent;
    const auto hardware = witness_.neighbour(path.exit->netns, path.exit->interface, peer);
    if (!hardware) return shares_link ? PeerView::absent : PeerView::out_of_sight;
    const bool same =
        std::ranges::find(place.hardware_addresses, *hardware) != place.hardware_addresses.end() &&
        (sample_.peer_hosts[place.host].same_boot || !made_from(*hardware, peer));
    return same ? PeerView::absent : PeerView::out_of_sight;
}

Snapshots::Answer Snapshots::client_of_row(const Tuple& server_tuple, const ServerClient& row) {
    const PeerNamespace* place = owner(server_tuple.remote.address);
    const Socket* peer = place == nullptr ? nullptr : find(*place, server_tuple.mirrored());
    if (peer == nullptr && place != nullptr) {
        // Its age alone does not prove that the row is not of a later connection.
        auto answer = behind(*place, server_tuple, false, is_younger(*place, &row));
        return answer.value_or(Answer());
    }
    if (peer == nullptr) return {};
    const PeerView view = view_of(*peer, false, is_younger(*place, &row));
    return {view, view == PeerView::present ? peer : nullptr};
}

Snapshots::Answer Snapshots::server_of(const Socket& held) {
    const PeerNamespace* place = owner(held.tuple.remote.address);
    const Socket* peer = place == nullptr ? nullptr : find(*place, held.tuple.mirrored());
    if (peer == nullptr) return {};
    const PeerView view = view_of(*peer, silent_since(*place, held), false);
    return {view, view == PeerView::present ? peer : nullptr};
}

}  // namespace connleak

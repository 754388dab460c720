#include "diagnosis/connections/recheck.h"

#include <algorithm>
#include <utility>

#include "diagnosis/connections/merge.h"
#include "diagnosis/connections/verdict.h"

namespace connleak {

namespace {

bool waits_to_close(const Socket* socket) {
    return socket != nullptr && socket->state == State::close_wait;
}

PeerView view_of(const Socket& peer) {
    switch (peer.state) {
        case State::established:
        case State::syn_received:
        case State::syn_sent:
            return PeerView::present;
        default:
            return PeerView::closing;
    }
}

}  // namespace

Recheck::Recheck(const Sample& sample, PathFinder& paths, Witness& witness,
                 std::deque<Socket>& found)
    : sample_(sample),
      paths_(paths),
      witness_(witness),
      found_(found),
      snapshots_(sample, paths, witness) {}

bool Recheck::needed(const Draft& draft) const {
    const Connection& connection = draft.connection;
    const Server& server = sample_.servers[connection.server];
    const Socket* held = connection.server_socket;
    const Socket* client = connection.client_socket;
    if (draft.facts.accept_queue) return true;
    // A peer that has just closed is normal. An owner that has still not closed a moment later is a
    // leak.
    if (waits_to_close(held) || waits_to_close(client)) return true;
    if (held != nullptr && client != nullptr) {
        if (!established(held)) return false;
        // The two sides are read one after the other, so they can differ if the connection ends in
        // between.
        return !established(client) || (draft.facts.listed && !*draft.facts.listed);
    }
    if (established(held)) {
        if (draft.facts.listed && !*draft.facts.listed) return true;
        const Address& peer = held->tuple.remote.address;
        return paths_.owns(held->netns, peer) || !paths_.owners(peer).empty() ||
               paths_.rewritten(held->tuple) || snapshots_.cover(peer);
    }
    if (established(client)) {
        if (draft.facts.listed && !*draft.facts.listed) return true;
        const Address& peer = client->tuple.remote.address;
        return paths_.owns(client->netns, peer) || !paths_.owners(peer).empty() ||
               paths_.rewritten(client->tuple) || snapshots_.cover(peer);
    }
    if (held != nullptr || client != nullptr) return false;
    if (connection.client_end.address.family() == Family::none) return false;  // a Unix socket
    return server.netns.has_value() || snapshots_.cover(connection.client_end.address) ||
           (server.asked_from && paths_.owns(*server.asked_from, connection.client_end.address));
}

Recheck::Fate Recheck::look_at_own(Draft& draft, const Socket*& held) {
    const Witness::Look look = witness_.look(held->netns, held->tuple);
    if (!look.known) {
        // It is not known whether the socket still exists, so its peer's absence proves nothing.
        if (draft.facts.peer == PeerView::absent) draft.facts.peer = PeerView::out_of_sight;
        return Fate::unconfirmed;
    }
    if (!look.socket || look.socket->cookie != held->cookie) return Fate::drop;
    // A peer heard since the first reading is alive, whatever the tables say: something on the way
    // is not understood.
    const auto before = last_heard_ms(*held);
    const auto now = last_heard_ms(*look.socket);
    if (draft.facts.peer == PeerView::absent && before && now && *now < *before)
        draft.facts.peer = PeerView::maybe_translated;
    found_.push_back(*look.socket);
    held = &found_.back();
    return Fate::keep;
}

PeerView Recheck::look_at_peer(Draft& draft, const Socket& socket, End peer,
                               const Socket*& peer_socket) {
    const Address& address = socket.tuple.remote.address;
    // An entry can be newer than the reading of the tables. Servers are few, so a query is cheap;
    // clients out of sight can be many.
    const bool may_be_rewritten =
        peer == End::server ? paths_.translators() : paths_.rewritten(socket.tuple);
    if (!paths_.owns(socket.netns, address) && paths_.owners(address).empty() && !may_be_rewritten)
        return PeerView::out_of_sight;
    const Path path = paths_.follow(socket.netns, socket.tuple);
    if (path.translated) {
        draft.facts.translated = true;
        draft.connection.client_tuple =
            peer == End::client ? path.packets.mirrored() : socket.tuple;
        if (peer == End::server) {
            draft.connection.server_end = path.packets.remote;
            draft.connection.client_end = path.packets.local;
        }
    }

    // Even if the path is not proven, the owner of the address may have the peer. Finding it there
    // is proof only if the address is unique at both ends; not finding it proves nothing.
    std::vector<Path::Stop> places = path.visited;
    const auto& owners = paths_.owners(path.packets.remote.address);
    if (!path.end && owners.size() == 1 && paths_.owners(path.packets.local.address).size() <= 1)
        places.push_back({owners.front(), path.packets});
    bool known = true;
    for (const Path::Stop& place : places) {
        const Witness::Look look = witness_.look(place.netns, place.packets.mirrored());
        known &= look.known;
        if (!look.socket) continue;
        found_.push_back(*look.socket);
        peer_socket = &found_.back();
        return view_of(*look.socket);
    }
    if (!path.end || !known) return PeerView::out_of_sight;
    if (path.translation != Translation::none) return PeerView::maybe_translated;
    // A socket bound to another device, or to a VRF, uses another path than the one found.
    if (socket.interface != 0 && socket.interface != path.interface) return PeerView::out_of_sight;
    // DNAT out of sight changes only the far end: any socket with the client's local end may be
    // this one. The server's local end has many sockets, so there this says nothing.
    if (peer == End::server) return PeerView::absent;
    const auto held = may_be_translated(*path.end, path.packets.remote, socket.tuple);
    if (!held) return PeerView::out_of_sight;
    return *held ? PeerView::maybe_translated : PeerView::absent;
}

std::optional<bool> Recheck::may_be_translated(NetnsId netns, const Endpoint& local,
                                               const Tuple& server_tuple) {
    const auto peers = witness_.peers_of_local_end(netns, local);
    if (!peers) return std::nullopt;
    // A client can use one port for several servers. If the packets of that socket are seen to end
    // elsewhere, it is a different connection.
    return std::ranges::any_of(*peers, [&](const Endpoint& peer) {
        const Tuple packets{local, peer};
        if (!paths_.owns(netns, peer.address) && paths_.owners(peer.address).empty() &&
            !paths_.rewritten(packets))
            return true;
        const Path path = paths_.follow(netns, packets);
        return !path.end || path.translation != Translation::none ||
               path.packets.mirrored() == server_tuple;
    });
}

void Recheck::look_at_listing(Draft& draft) {
    if (!draft.facts.listed || *draft.facts.listed) return;
    const auto again = witness_.listed(draft.connection.server, draft.connection.client_end);
    draft.facts.listed = again;
}

Recheck::Fate Recheck::look_at_server_side(Draft& draft) {
    Connection& connection = draft.connection;
    if (waits_to_close(connection.client_socket) &&
        look_at_own(draft, connection.client_socket) == Fate::drop)
        return Fate::drop;
    if (connection.client_socket != nullptr && !established(connection.client_socket) &&
        !waits_to_close(connection.client_socket))
        connection.client_socket = nullptr;  // closing: use its current state
    // First the peer, then the socket itself: it must still be established after its peer was found
    // absent.
    if (connection.client_socket == nullptr && established(connection.server_socket) &&
        !draft.facts.accept_queue) {
        draft.facts.peer =
            look_at_peer(draft, *connection.server_socket, End::client, connection.client_socket);
    }
    look_at_listing(draft);
    const Fate fate = look_at_own(draft, connection.server_socket);
    if (fate == Fate::drop) return fate;
    if (connection.server_socket->inode != 0) draft.facts.accept_queue = false;
    if (fate == Fate::keep) look_at_snapshots(draft);
    return Fate::keep;
}

void Recheck::take(Draft& draft, const Snapshots::Answer& answer) {
    draft.facts.peer = answer.view;
    draft.connection.client_socket = answer.socket;
    if (!answer.client_tuple) return;
    draft.facts.translated = true;
    draft.connection.client_tuple = answer.client_tuple;
}

void Recheck::look_at_snapshots(Draft& draft) {
    Connection& connection = draft.connection;
    if (draft.facts.peer != PeerView::out_of_sight || draft.facts.accept_queue) return;
    if (established(connection.server_socket) && connection.client_socket == nullptr) {
        take(draft, snapshots_.client_of(*connection.server_socket, connection.row));
    } else if (established(connection.client_socket) && connection.server_socket == nullptr) {
        const auto answer = snapshots_.server_of(*connection.client_socket);
        connection.server_socket = answer.socket;
        draft.facts.peer = answer.view;
    }
}

// The list can prove absence only if the server sees the client's address as it sees ours: our own
// connection has shown what happens to addresses out of sight.
bool Recheck::leaves_as_ours(const Server& server, const Draft& draft) {
    const ServerAnswer& answer = server.answer;
    const Socket& client = *draft.connection.client_socket;
    if (!server.asked_from || !answer.own_connection || !answer.own_address_seen ||
        !answer.own_local_seen)
        return false;
    const Path its = paths_.follow(client.netns, client.tuple);
    // Some rules could have rewritten this connection but not ours, and no tracking entry shows it.
    if (its.translation == Translation::tracked || its.translation == Translation::possible)
        return false;
    if (!its.translated && client.netns == *server.asked_from)
        return untranslated(server) && client.tuple.remote == server.endpoint;
    const Path ours = paths_.follow(*server.asked_from, *answer.own_connection);
    return its.translation == Translation::none && ours.translation == Translation::none &&
           ours.exit && its.exit && ours.exit->netns == its.exit->netns &&
           ours.exit->interface == its.exit->interface &&
           ours.packets.local.address == its.packets.local.address &&
           ours.packets.remote == its.packets.remote &&
           *answer.own_address_seen == ours.packets.local &&
           *answer.own_local_seen == ours.packets.remote;
}

// Before 6.2 a row lacks the server's own address (laddr), so it may belong to another of the
// servers behind that address; and two servers behind one address have two separate lists.
bool Recheck::listing_proves_absence(const Draft& draft) {
    const Server& server = sample_.servers[draft.connection.server];
    return server.listening.empty() && leaves_as_ours(server, draft) &&
           witness_.same_server_again(draft.connection.server);
}

Recheck::Fate Recheck::look_at_client_side(Draft& draft) {
    Connection& connection = draft.connection;
    const Socket first = *connection.client_socket;
    if (!established(&first)) return look_at_own(draft, connection.client_socket);
    draft.facts.peer = look_at_peer(draft, first, End::server, connection.server_socket);
    look_at_listing(draft);
    const Fate fate = look_at_own(draft, connection.client_socket);
    if (fate == Fate::drop) return fate;
    if (draft.facts.peer == PeerView::present || draft.facts.peer == PeerView::closing)
        return Fate::keep;

    // A list identifies clients by address: if several have it, the row may be another client's.
    const bool meant =
        paths_.owners(connection.client_end.address).size() <= 1 ||
        (!draft.facts.translated && sample_.servers[connection.server].asked_from == first.netns);
    if (draft.facts.listed && *draft.facts.listed) {
        if (!meant) return Fate::keep;
        draft.facts.peer = PeerView::present;
        draft.facts.known_by_listing = true;
    } else if (fate == Fate::keep && draft.facts.listed &&
               draft.facts.peer == PeerView::out_of_sight && listing_proves_absence(draft)) {
        // A peer heard since then is alive, whatever a list says.
        const auto before = last_heard_ms(first);
        const auto now = last_heard_ms(*connection.client_socket);
        if (!before || !now || *now >= *before) {
            draft.facts.peer = PeerView::absent;
            draft.facts.known_by_listing = true;
        }
    }
    if (fate == Fate::keep) look_at_snapshots(draft);
    return Fate::keep;
}

Recheck::Fate Recheck::look_at_row(Draft& draft) {
    Connection& connection = draft.connection;
    const Server& server = sample_.servers[connection.server];
    if (connection.client_end.address.family() == Family::none) return Fate::keep;  // a Unix socket
    if (server.netns) {
        // A local server lists it but the dump lacked its socket: the dump missed it, or the
        // connection has ended.
        const Witness::Look look =
            witness_.look(*server.netns, {connection.server_end, connection.client_end});
        if (!look.known) return Fate::keep;
        if (!look.socket) {
            // Behind a proxy the list belongs to another host. Before 6.2 the row does not say
            // which of the server's addresses it uses.
            if (connection.row->local_address || !untranslated(server)) return Fate::drop;
            return witness_.listed(connection.server, connection.client_end).value_or(true)
                       ? Fate::keep
                       : Fate::drop;
        }
        found_.push_back(*look.socket);
        connection.server_socket = &found_.back();
        return look_at_server_side(draft);
    }
    // The server is elsewhere and lists a client with an address of the namespace that asked it.
    if (!server.asked_from || !paths_.owns(*server.asked_from, connection.client_end.address)) {
        take(draft, snapshots_.client_of_row({connection.server_end, connection.client_end},
                                             *connection.row));
        return Fate::keep;
    }
    const NetnsId here = *server.asked_from;
    // Its packets come from the address that we connect to, unless a translator in sight changes it
    // to the one that the server reports.
    Path path = paths_.follow(here, {server.endpoint, connection.client_end});
    if (!path.translated && connection.row->local_address) {
        Path other = paths_.follow(here, {*connection.row->local_address, connection.client_end});
        if (other.translated) path = std::move(other);
    }
    const NetnsId place = path.end.value_or(here);
    const Tuple tuple = path.packets.mirrored();
    const Witness::Look look = witness_.look(place, tuple);
    const auto listed =
        look.socket ? std::nullopt : witness_.listed(connection.server, connection.client_end);
    if (listed && !*listed) return Fate::drop;
    if (path.translated) {
        draft.facts.translated = true;
        connection.client_tuple = tuple;
    }
    // Checked again after the list: the row may belong to a newer connection from the same port.
    const Witness::Look after = look.socket ? look : witness_.look(place, tuple);
    if (after.socket) {
        found_.push_back(*after.socket);
        connection.client_socket = &found_.back();
        draft.facts.peer = view_of(*after.socket);
        draft.facts.known_by_listing = true;
        return Fate::keep;
    }
    // The server's own route back to that address is not in sight. It is proven only for the source
    // address of our own connection, which received its answers here.
    const bool proven =
        path.end && after.known && listed && untranslated(server) &&
        server.answer.own_connection->local.address == connection.client_end.address &&
        paths_.owners(connection.client_end.address).size() == 1;
    const Namespace* end = paths_.get(place);
    const auto held = may_be_translated(place, tuple.local, path.packets);
    if (!proven || end == nullptr || !end->complete || !held) return Fate::keep;
    const bool translated = path.translation != Translation::none || *held ||
                            std::ranges::any_of(end->links, &Link::programmed);
    draft.facts.peer = translated ? PeerView::maybe_translated : PeerView::absent;
    return Fate::keep;
}

void Recheck::run(std::vector<Draft>& drafts) {
    for (Draft& draft : drafts) {
        const Connection& connection = draft.connection;
        if (connection.server_socket != nullptr && connection.client_socket != nullptr) {
            const Socket& other = *connection.client_socket;
            draft.facts.peer = established(&other) ? PeerView::present : view_of(other);
        } else if (connection.client_socket != nullptr && draft.facts.listed &&
                   *draft.facts.listed) {
            draft.facts.peer = PeerView::present;
            draft.facts.known_by_listing = true;
        }
    }
    std::vector<std::size_t> doubtful;
    for (std::size_t at = 0; at < drafts.size(); ++at) {
        if (drafts[at].facts.known_by_listing) continue;
        if (needed(drafts[at])) doubtful.push_back(at);
    }
    if (doubtful.empty()) return;

    witness_.settle();
    std::vector<bool> gone(drafts.size(), false);
    for (const std::size_t at : doubtful) {
        Draft& draft = drafts[at];
        Fate fate = Fate::keep;
        if (draft.connection.server_socket != nullptr)
            fate = look_at_server_side(draft);
        else if (draft.connection.client_socket != nullptr)
            fate = look_at_client_side(draft);
        else
            fate = look_at_row(draft);
        gone[at] = fate == Fate::drop;
    }
    merge_halves(drafts, doubtful, gone);
    std::size_t kept = 0;
    for (std::size_t at = 0; at < drafts.size(); ++at) {
        if (gone[at]) continue;
        if (kept != at) drafts[kept] = std::move(drafts[at]);
        ++kept;
    }
    drafts.resize(kept);
}

}  // namespace connleak

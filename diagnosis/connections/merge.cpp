#include "diagnosis/connections/merge.h"

#include <map>
#include <utility>

namespace connleak {

namespace {

// Two different connections: both have a socket of their own on the same side.
bool separate(const Draft& one, const Draft& other) {
    const auto differ = [](const Socket* a, const Socket* b) {
        return a != nullptr && b != nullptr && (a->netns != b->netns || a->cookie != b->cookie);
    };
    return differ(one.connection.server_socket, other.connection.server_socket) ||
           differ(one.connection.client_socket, other.connection.client_socket);
}

}  // namespace

void merge_halves(std::vector<Draft>& drafts, const std::vector<std::size_t>& looked_at,
                  std::vector<bool>& gone) {
    // A cookie is unique within its namespace.
    std::map<std::pair<NetnsId, std::uint64_t>, std::size_t> looked_at_by_socket;
    const auto fold = [&](std::size_t at, bool add) {
        const Connection& mine = drafts[at].connection;
        for (const Socket* socket : {mine.server_socket, mine.client_socket}) {
            if (socket == nullptr || gone[at]) continue;
            const std::pair key{socket->netns, socket->cookie};
            const auto found = looked_at_by_socket.find(key);
            if (found == looked_at_by_socket.end() || gone[found->second]) {
                if (add) looked_at_by_socket[key] = at;
                continue;
            }
            if (found->second == at) continue;
            if (separate(drafts[found->second], drafts[at])) {
                // Both claim it, but it is the peer of at most one of them.
                Connection& loser = drafts[at].connection;
                (socket == loser.server_socket ? loser.server_socket : loser.client_socket) =
                    nullptr;
                drafts[at].facts.peer = PeerView::out_of_sight;
                continue;
            }
            // Keeps the draft that knows both sides, with the row of either.
            const auto sides = [&](std::size_t of) {
                const Connection& each = drafts[of].connection;
                return (each.server_socket != nullptr ? 1 : 0) +
                       (each.client_socket != nullptr ? 1 : 0);
            };
            const bool other_kept = sides(found->second) >= sides(at);
            Draft& kept = drafts[other_kept ? found->second : at];
            const Draft& left = drafts[other_kept ? at : found->second];
            if (kept.connection.row == nullptr) kept.connection.row = left.connection.row;
            if (left.facts.listed && *left.facts.listed) kept.facts.listed = true;
            if (left.facts.peer == PeerView::present && kept.facts.peer != PeerView::present) {
                kept.facts.peer = PeerView::present;  // the peer was found
                kept.facts.known_by_listing = left.facts.known_by_listing;
            }
            if (!kept.connection.client_tuple) {
                kept.connection.client_tuple = left.connection.client_tuple;
                kept.facts.translated |= left.facts.translated;
            }
            if (left.facts.accept_queue && kept.connection.server_socket != nullptr &&
                kept.connection.server_socket->inode == 0)
                kept.facts.accept_queue = true;
            gone[other_kept ? at : found->second] = true;
            if (!other_kept) found->second = at;
        }
    };
    for (const std::size_t at : looked_at) fold(at, true);
    for (std::size_t at = 0; at < drafts.size(); ++at) fold(at, false);
}

}  // namespace connleak

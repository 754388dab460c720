#include "diagnosis/actions/recheck.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "diagnosis/connections/join.h"
#include "diagnosis/connections/path.h"
#include "diagnosis/connections/recheck.h"

namespace connleak {

namespace {

// The kernel's clocks in tcp_info step by a tick of up to 10 ms, and each was read some time before
// the report was finished.
constexpr std::int64_t clock_slack_ms = 50;

bool heard_since(const Socket& then, const Socket& now, std::int64_t elapsed_ms) {
    const auto before = last_heard_ms(then);
    const auto after = last_heard_ms(now);
    return before && after && *after + clock_slack_ms < *before + elapsed_ms;
}

// What the kernel on its own side says about it.
Change look_at_itself(const Socket& then, Witness& witness, std::int64_t elapsed_ms) {
    const Witness::Look look = witness.look(then.netns, then.tuple);
    if (!look.known) return Change::unknown;
    if (!look.socket) return Change::gone;
    if (look.socket->cookie != then.cookie) return Change::replaced;
    if (look.socket->state != State::established) return Change::gone;
    return heard_since(then, *look.socket, elapsed_ms) ? Change::came_back : Change::none;
}

// The index of the ghost that a draft was made from.
using Key = std::pair<const void*, std::uint64_t>;
Key key_of(const Connection& connection) {
    if (connection.server_socket != nullptr) return {nullptr, connection.server_socket->cookie};
    return {connection.row, 0};
}

bool proven_by_absence(const Connection& connection) {
    return std::ranges::find(connection.evidence, Evidence::peer_socket_absent) !=
           connection.evidence.end();
}

Change of_peer(PeerView peer) {
    switch (peer) {
        case PeerView::absent:
            return Change::none;
        case PeerView::present:
        case PeerView::closing:
            return Change::came_back;
        case PeerView::out_of_sight:
        case PeerView::maybe_translated:
        case PeerView::outdated:
            return Change::unknown;
    }
    return Change::unknown;
}

}  // namespace

std::string_view describe(Change change) {
    switch (change) {
        case Change::none:
            return "";
        case Change::gone:
            return "gone already";
        case Change::replaced:
            return "another connection has this address now";
        case Change::came_back:
            return "the client came back";
        case Change::unknown:
            return "its peer can no longer be looked for";
    }
    return "";
}

std::vector<Change> recheck(const Sample& sample, std::span<const Connection* const> ghosts,
                            Witness& witness, std::int64_t elapsed_ms) {
    PathFinder paths(sample, witness);
    std::deque<Socket> found;
    std::vector<Change> changes(ghosts.size(), Change::gone);
    // A cookie is unique within its namespace.
    std::map<std::pair<NetnsId, Key>, std::size_t> indices;
    std::vector<Draft> drafts;
    for (std::size_t at = 0; at < ghosts.size(); ++at) {
        const Connection& ghost = *ghosts[at];
        if (ghost.server_socket != nullptr) {
            changes[at] = look_at_itself(*ghost.server_socket, witness, elapsed_ms);
            if (changes[at] != Change::none) continue;
        }
        // A proof by probe needs no peer in sight: it is enough that nothing was heard since.
        if (!proven_by_absence(ghost)) {
            if (ghost.server_socket == nullptr) changes[at] = Change::unknown;
            continue;
        }
        changes[at] = Change::gone;  // unless the recheck keeps it
        Draft draft;
        draft.connection = ghost;
        draft.connection.client_socket = nullptr;
        draft.facts.peer = PeerView::out_of_sight;
        if (ghost.server_socket == nullptr) draft.facts.listed = true;
        const NetnsId netns = ghost.server_socket != nullptr ? ghost.server_socket->netns : 0;
        indices[{netns, key_of(ghost)}] = at;
        drafts.push_back(std::move(draft));
    }
    Recheck(sample, paths, witness, found).run(drafts);
    for (const Draft& draft : drafts) {
        const Socket* socket = draft.connection.server_socket;
        const auto index =
            indices.find({socket != nullptr ? socket->netns : 0, key_of(draft.connection)});
        if (index == indices.end()) {
            // The socket of a row is in sight now: not the case that was planned.
            const auto row = indices.find({0, {draft.connection.row, 0}});
            if (row != indices.end()) changes[row->second] = Change::unknown;
            continue;
        }
        Change& change = changes[index->second];
        change = of_peer(draft.facts.peer);
        if (change == Change::none && socket != nullptr && socket->state != State::established)
            change = Change::gone;
    }
    return changes;
}

}  // namespace connleak

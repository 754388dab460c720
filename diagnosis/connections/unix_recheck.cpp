#include "diagnosis/connections/unix_recheck.h"

#include <algorithm>
#include <utility>

#include "diagnosis/connections/unix_join.h"

namespace connleak {

namespace {

bool unlisted(const UnixDraft& draft) {
    return draft.listed && !*draft.listed;
}

bool doubtful(const UnixDraft& draft) {
    if (draft.gone) return false;
    if (draft.accepted == nullptr || draft.client == nullptr) return true;
    return draft.ends != Ends::both || draft.row_unsure || unlisted(draft);
}

}  // namespace

void UnixRecheck::run(std::vector<UnixDraft>& drafts) {
    // Rows without sockets are looked up in the server's list, which needs no waiting.
    const bool sockets = std::ranges::any_of(drafts, [](const UnixDraft& draft) {
        return doubtful(draft) && (draft.accepted != nullptr || draft.client != nullptr);
    });
    if (sockets) {
        witness_.settle();
        again_ = witness_.unix_sockets_again();
        if (again_) by_inode_ = index_of(*again_);
    }
    for (UnixDraft& draft : drafts) {
        if (!doubtful(draft)) continue;
        if (draft.row != nullptr) look_at_row(draft);
        if (unlisted(draft)) look_at_listing(draft);
        if (draft.accepted != nullptr)
            look_at_accepted(draft);
        else if (draft.client != nullptr)
            look_at_client(draft);
    }
}

// nullptr when it is gone, or is another socket now.
const UnixSocket* UnixRecheck::now(const UnixSocket& then) const {
    const auto found = by_inode_.find(then.socket.inode);
    if (found == by_inode_.end() || found->second->socket.cookie != then.socket.cookie)
        return nullptr;
    return found->second;
}

void UnixRecheck::look_at_accepted(UnixDraft& draft) {
    if (!again_) {
        draft.unconfirmed = draft.ends != Ends::both;
        return;
    }
    const UnixSocket* accepted = now(*draft.accepted);
    draft.gone = accepted == nullptr;
    if (draft.gone) return;
    const Ends before = std::exchange(draft.ends, ends_of(*accepted));
    draft.ends_now = draft.ends == Ends::peer_closed && before != Ends::peer_closed;
    draft.accepted = accepted;
    draft.client = peer_of(*accepted, by_inode_);
    draft.looked_at = true;
}

void UnixRecheck::look_at_client(UnixDraft& draft) {
    if (!again_) {
        draft.unconfirmed = true;
        return;
    }
    const UnixSocket* client = now(*draft.client);
    draft.gone = client == nullptr;
    if (draft.gone) return;
    draft.client = client;
    draft.looked_at = true;
    if (draft.ends != Ends::waiting) return;  // its peer was gone, and cannot come back
    const auto listener = by_inode_.find(draft.listener->inode);
    const bool waits = client->peer_inode == 0 && listener != by_inode_.end() &&
                       std::ranges::find(listener->second->pending, client->socket.inode) !=
                           listener->second->pending.end();
    if (waits) return;
    draft.ends = ends_of(*client);
    draft.ends_now = draft.ends == Ends::peer_closed;
    draft.accepted = peer_of(*client, by_inode_);
    // Neither in the queue nor closed: accepted between the two readings.
    if (draft.ends == Ends::unclear) draft.ends = Ends::both;
}

void UnixRecheck::look_at_row(UnixDraft& draft) {
    const auto* rows = rows_again(draft.server);
    // Ids are never reused, so a client that still has its id has kept its descriptor.
    const bool still =
        rows != nullptr && std::ranges::any_of(*rows, [&](const ServerClient& row) {
            return row.id == draft.row->id && (row.unnamed || row.fd == draft.row->fd);
        });
    if (still) return;
    if (draft.accepted == nullptr) {
        draft.gone = rows != nullptr;
    } else if (draft.row_unsure) {
        draft.row = nullptr;
        draft.listed = false;
    }
}

void UnixRecheck::look_at_listing(UnixDraft& draft) {
    const auto* rows = rows_again(draft.server);
    if (rows == nullptr) {
        draft.listed.reset();
        return;
    }
    // The list does not report descriptors.
    if (std::ranges::any_of(*rows, &ServerClient::unnamed)) {
        draft.listed.reset();
        return;
    }
    const std::vector<std::int32_t> descriptors = descriptors_of(sample_, draft);
    draft.listed = std::ranges::any_of(*rows, [&](const ServerClient& row) {
        return by_unix_socket(row) && row.fd &&
               std::ranges::find(descriptors, *row.fd) != descriptors.end();
    });
}

const std::vector<ServerClient>* UnixRecheck::rows_again(std::size_t server) {
    auto [entry, first] = rows_.try_emplace(server);
    if (first) entry->second = witness_.clients_again(server);
    return entry->second ? &*entry->second : nullptr;
}

}  // namespace connleak

// A connection by Unix socket while its two ends and its row are being matched.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// What the record of one end says about the connection.
enum class Ends : std::uint8_t {
    both,         // the other end exists
    half_closed,  // the other end exists, and one of the two sends no more data
    peer_closed,
    waiting,  // not accepted yet
    unclear,
};
Ends ends_of(const UnixSocket& end);

struct UnixDraft {
    std::size_t server = 0;
    const UnixListener* listener = nullptr;
    const UnixSocket* accepted = nullptr;
    const UnixSocket* client = nullptr;
    const ServerClient* row = nullptr;
    Ends ends = Ends::unclear;
    bool row_unsure = false;     // its descriptor may have been reused
    std::optional<bool> listed;  // by its server; absent: not known
    bool looked_at = false;      // the sockets are those of the recheck
    bool gone = false;           // ended since the first reading
    bool ends_now = false;       // the other end has closed since the first reading
    bool unconfirmed = false;    // there was no recheck
};

using UnixByInode = std::unordered_map<std::uint32_t, const UnixSocket*>;
UnixByInode index_of(const std::vector<UnixSocket>& sockets);

// The other end, if each end names the other as its peer.
const UnixSocket* peer_of(const UnixSocket& end, const UnixByInode& index);

// nullptr: no owner in sight.
const std::vector<Owner>* owners_of(const Sample& sample, std::uint32_t inode);

// The descriptors by which the server's process holds the accepted end.
std::vector<std::int32_t> descriptors_of(const Sample& sample, const UnixDraft& draft);

}  // namespace connleak

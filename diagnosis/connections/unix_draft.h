// A connection by Unix socket while its two ends and its row are put together.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// What an end's own record says of the connection.
enum class Ends : std::uint8_t {
    both,         // the other end is there
    half_closed,  // it is, and one of the two will send no more
    peer_closed,
    waiting,  // nobody has accepted it yet
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
    bool row_unsure = false;     // its descriptor may have been another connection's
    std::optional<bool> listed;  // by the server that holds it; absent: not known
    bool looked_at = false;      // the sockets are those of the second look
    bool gone = false;           // ended since the first look
    bool ends_now = false;       // its other end has closed since the first look
    bool unconfirmed = false;    // there was no second look
};

using UnixByInode = std::unordered_map<std::uint32_t, const UnixSocket*>;
UnixByInode index_of(const std::vector<UnixSocket>& sockets);

// The other end, where each tells of the other.
const UnixSocket* peer_of(const UnixSocket& end, const UnixByInode& index);

// nullptr for none in sight.
const std::vector<Owner>* owners_of(const Sample& sample, std::uint32_t inode);

// Those by which the server's own process holds the accepted end.
std::vector<std::int32_t> descriptors_of(const Sample& sample, const UnixDraft& draft);

}  // namespace connleak

// Which accepted connection of a process is relayed by which of its connections to a server, as far
// as the kernel's counters show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// Traffic through one socket of a relay, and when. Equal for both sockets of a pair.
struct Flow {
    std::uint64_t forward = 0;   // bytes on their way to the server
    std::uint64_t backward = 0;  // bytes on their way to the client
    std::int64_t request_ago_ms = 0;
    std::int64_t reply_ago_ms = 0;

    [[nodiscard]] bool used() const { return forward > 0 && backward > 0; }
};

// Flow of an accepted socket, and of a socket to the server. Counts as unused without tcp_info, or
// on a kernel before 4.19, which does not count sent bytes.
Flow accepted_flow(const Socket& socket);
Flow upstream_flow(const Socket& socket);

struct RelayPair {
    std::size_t accepted = 0;  // index
    std::size_t upstream = 0;  // index
    // Not 0: pairs with the same number cannot be told apart and were matched in the order of time.
    std::uint32_t lookalikes = 0;
    friend bool operator==(const RelayPair&, const RelayPair&) = default;
};

// Pairs with equal byte counts on both sides, in both directions, last used at the same moment.
// Bytes distinguish a relay from an application that uses a server to answer requests, whose times
// agree too. Takes O(n log n). `slack_ms`: how long reading the sockets took.
std::vector<RelayPair> pair_by_bytes(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                     std::int64_t slack_ms);

// For a program known to relay connections one to one and to change the bytes (TLS): pairs whose
// time of last use is unique.
std::vector<RelayPair> pair_by_time(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                    std::int64_t slack_ms);

// Adds pairs of a relay, not yet among `pairs`, that were in use during the reading, so that their
// counters differ by the bytes in transit: a small difference, and no other candidate as close.
void pair_busy(std::span<const Flow> accepted, std::span<const Flow> upstream,
               std::vector<RelayPair>& pairs);

}  // namespace connleak

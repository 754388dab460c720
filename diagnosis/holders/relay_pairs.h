// Which connection that a process has accepted is carried by which of its connections to a server,
// as far as the kernel's counters of both tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// What went through one socket of a relay, and when: the same for both sockets of a pair.
struct Flow {
    std::uint64_t forward = 0;   // bytes on their way to the server
    std::uint64_t backward = 0;  // bytes on their way to the client
    std::int64_t request_ago_ms = 0;
    std::int64_t reply_ago_ms = 0;

    [[nodiscard]] bool used() const { return forward > 0 && backward > 0; }
};

// Of an accepted socket, and of one to the server. Without tcp_info, or with that of a kernel
// before 4.19, which does not count what it sends: one that was not used.
Flow accepted_flow(const Socket& socket);
Flow upstream_flow(const Socket& socket);

struct RelayPair {
    std::size_t accepted = 0;  // index
    std::size_t upstream = 0;  // index
    // Not 0: several of the same number look alike, and were put together in the order of time.
    std::uint32_t lookalikes = 0;
    friend bool operator==(const RelayPair&, const RelayPair&) = default;
};

// As many bytes on both sides, in both directions, and last used at the same moment. Bytes are what
// tells a relay from an application that answers requests with the help of a server: the moments
// agree there, too. Takes O(n log n). `slack_ms`: how long the sockets took to be read.
std::vector<RelayPair> pair_by_bytes(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                     std::int64_t slack_ms);

// For a program that is known to carry connections one to one, and that changes the bytes (TLS):
// each pair was used at a moment at which no other was.
std::vector<RelayPair> pair_by_time(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                    std::int64_t slack_ms);

// Adds those of a relay, not yet among `pairs`, that were in use while they were read, so that the
// counters differ by what was on its way: by little, and with nothing else that is as near.
void pair_busy(std::span<const Flow> accepted, std::span<const Flow> upstream,
               std::vector<RelayPair>& pairs);

}  // namespace connleak

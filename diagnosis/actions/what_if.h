// Which clients an idle timeout of the server would close, and which of them are alive. Redis
// checks every client once a second and closes those that have been idle for longer than `timeout`
// (clientsCron()), except those it never times out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

std::string_view to_string(Exempt why);

using VerdictCounts = std::array<std::uint64_t, verdict_count>;

// The clients of one group and address that a value would close.
struct TimedOut {
    std::string group;    // "" when the client's process is out of sight
    std::string address;  // "" for a Unix socket
    std::uint64_t closes = 0;
    VerdictCounts verdict{};
};

struct TimeoutCandidate {
    std::int64_t timeout_s = 0;
    std::uint64_t closes = 0;
    VerdictCounts verdict{};  // of the clients closed
    // Idle for longer than the timeout, but exempt.
    std::array<std::uint64_t, exempt_count> exempt{};
    std::vector<TimedOut> whose;  // most first

    [[nodiscard]] std::uint64_t exempt_total() const;
};

// The clients whose idle time is at least `from_s` and below `below_s` (absent: no end).
struct IdleRange {
    std::int64_t from_s = 0;
    std::optional<std::int64_t> below_s;
    VerdictCounts verdict{};  // of those that are not exempt
    std::uint64_t exempt = 0;
};

// One server whose client list is known.
struct WhatIf {
    std::size_t server = 0;
    std::uint64_t clients = 0;
    // Smallest timeout that closes no possibly living client (anything but a ghost) within the next
    // second.
    std::int64_t smallest_harmless_s = 1;
    std::vector<TimeoutCandidate> candidates;  // in the order asked for
    std::vector<IdleRange> idle;
};

// Omits servers without a complete client list.
std::vector<WhatIf> what_if(const Sample& sample, const Report& report,
                            std::span<const std::int64_t> timeouts_s);

}  // namespace connleak

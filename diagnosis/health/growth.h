// Growth of groups over several runs: a leak is a slope. A group is what the report calls one, or
// "host 10.0.0.7" for connections whose process is out of sight.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

struct GroupKey {
    std::string server;  // label() of it
    std::string group;
    friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};
using GroupCounts = std::map<GroupKey, std::uint64_t>;

// What one run counted.
struct CountedRun {
    std::int64_t at_s = 0;    // since the epoch
    std::uint64_t floor = 0;  // groups that were left out had at most so many
    GroupCounts counts;       // at most `most_groups`, the largest
    [[nodiscard]] std::uint64_t count(const GroupKey& key) const;
    friend bool operator==(const CountedRun&, const CountedRun&) = default;
};
inline constexpr std::size_t most_groups = 500;

// Oldest first: the last runs, and before them one for each hour with the highest counts of it.
using History = std::vector<CountedRun>;
inline constexpr std::size_t recent_runs = 12;
inline constexpr std::size_t hourly_runs = 24;

CountedRun count_groups(const Sample& sample, const Report& report, std::int64_t now_s);

// A group's current climb.
struct Growth {
    GroupKey who;
    std::uint64_t gained = 0;  // above every count before the climb
    std::uint64_t now = 0;
    std::uint64_t runs = 0;     // steps of the climb
    std::int64_t lasted_s = 0;  // never negative, whatever the clock did
};

// The group that gained most since it last stood still or shrank: over the last runs, each of which
// saw more than the one before, or over at least three hours of which each saw more. A jump counts
// until the next run, a leak for as long as it goes on; what a group had before a restart is no
// growth when it comes back. std::nullopt: nothing is known of before.
std::optional<Growth> fastest_growth(const History& history, const CountedRun& now);

// Appends, and keeps the history within its bounds.
void remember(History& history, CountedRun now);

}  // namespace connleak

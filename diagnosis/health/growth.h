// Growth of groups over several runs, to detect leaks. A group is one of the report, or "host
// 10.0.0.7" for connections whose process is not in sight.
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
    std::string server;  // its label()
    std::string group;
    friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};
using GroupCounts = std::map<GroupKey, std::uint64_t>;

// The counts of one run.
struct CountedRun {
    std::int64_t at_s = 0;    // since the epoch
    std::uint64_t floor = 0;  // upper bound of the counts of omitted groups
    GroupCounts counts;       // the largest groups, at most `most_groups`
    [[nodiscard]] std::uint64_t count(const GroupKey& key) const;
    friend bool operator==(const CountedRun&, const CountedRun&) = default;
};
inline constexpr std::size_t most_groups = 500;

// Oldest first: one entry per hour with that hour's highest counts, then the most recent runs.
using History = std::vector<CountedRun>;
inline constexpr std::size_t recent_runs = 12;
inline constexpr std::size_t hourly_runs = 24;

CountedRun count_groups(const Sample& sample, const Report& report, std::int64_t now_s);

// A group's current rise.
struct Growth {
    GroupKey who;
    std::uint64_t gained = 0;  // over the highest count before the rise
    std::uint64_t now = 0;
    std::uint64_t runs = 0;     // number of increases
    std::int64_t lasted_s = 0;  // never negative, even if the clock was set back
};

// The group that grew most since it last stayed equal or shrank, where either each of the last runs
// or each of at least three hours saw more than the one before. A single jump counts until the next
// run, a leak for as long as it continues. Counts that return after a restart are not growth.
// std::nullopt: there is no history.
std::optional<Growth> fastest_growth(const History& history, const CountedRun& now);

// Appends `now` and limits the size of the history.
void remember(History& history, CountedRun now);

}  // namespace connleak

#include "diagnosis/health/growth.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "diagnosis/health/metrics.h"

namespace connleak {

namespace {

constexpr std::int64_t hour_s = 3600;
constexpr std::uint64_t least_hours = 3;

// The rise that ends with the last run.
Growth climb(const std::vector<const CountedRun*>& runs, const GroupKey& key) {
    Growth growth;
    growth.who = key;
    std::vector<std::uint64_t> counts;
    counts.reserve(runs.size());
    for (const CountedRun* run : runs) counts.push_back(run->count(key));
    std::size_t begin = counts.size() - 1;
    while (begin > 0 && counts[begin - 1] < counts[begin]) --begin;
    growth.now = counts.back();
    growth.runs = counts.size() - 1 - begin;
    const std::uint64_t before =
        *std::max_element(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(begin) + 1);
    growth.gained = growth.now > before ? growth.now - before : 0;
    growth.lasted_s = std::max<std::int64_t>(0, runs.back()->at_s - runs[begin]->at_s);
    return growth;
}

// Runs at least an hour apart, ending with the last run.
std::vector<const CountedRun*> by_the_hour(const std::vector<const CountedRun*>& runs) {
    std::vector<const CountedRun*> result;
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
        if (result.empty() || result.back()->at_s - (*run)->at_s >= hour_s) result.push_back(*run);
    }
    std::ranges::reverse(result);
    return result;
}

void keep_largest(CountedRun& run) {
    if (run.counts.size() <= most_groups) return;
    std::vector<std::uint64_t> sizes;
    sizes.reserve(run.counts.size());
    for (const auto& [key, count] : run.counts) sizes.push_back(count);
    std::ranges::nth_element(sizes, sizes.begin() + most_groups, std::greater{});
    run.floor = std::max(run.floor, sizes[most_groups]);
    std::erase_if(run.counts, [&](const auto& each) { return each.second <= run.floor; });
}

void keep_highest(CountedRun& hour, const CountedRun& run) {
    for (const auto& [key, count] : run.counts) {
        std::uint64_t& highest = hour.counts.try_emplace(key, hour.floor).first->second;
        highest = std::max(highest, count);
    }
    keep_largest(hour);
}

}  // namespace

std::uint64_t CountedRun::count(const GroupKey& key) const {
    const auto found = counts.find(key);
    return found == counts.end() ? floor : found->second;
}

CountedRun count_groups(const Sample& sample, const Report& report, std::int64_t now_s) {
    CountedRun run;
    run.at_s = now_s;
    std::vector<std::string> labels;
    labels.reserve(sample.servers.size());
    for (const Server& server : sample.servers) labels.push_back(label(server));
    for (const Connection& each : report.connections) {
        if (each.verdict == Verdict::transient) continue;
        std::string group = each.group;
        if (group.empty())
            group = each.client_path.empty() ? "host " + each.own_client_end().address.text()
                                             : "unix:" + each.client_path;
        ++run.counts[{labels[each.server], std::move(group)}];
    }
    keep_largest(run);
    return run;
}

std::optional<Growth> fastest_growth(const History& history, const CountedRun& now) {
    if (history.empty()) return std::nullopt;
    std::vector<const CountedRun*> runs;
    runs.reserve(history.size() + 1);
    for (const CountedRun& run : history) runs.push_back(&run);
    runs.push_back(&now);
    const std::vector<const CountedRun*> hours = by_the_hour(runs);
    Growth fastest;
    const auto consider = [&](const Growth& growth) {
        if (growth.gained > fastest.gained) fastest = growth;
    };
    for (const auto& [key, count] : now.counts) {
        consider(climb(runs, key));
        const Growth slow = climb(hours, key);
        if (slow.runs >= least_hours) consider(slow);
    }
    return fastest;
}

void remember(History& history, CountedRun now) {
    keep_largest(now);
    history.push_back(std::move(now));
    if (history.size() <= recent_runs) return;
    // A run that is no longer recent is merged into the latest hour, or starts a new one.
    const std::size_t tail = history.size() - recent_runs;
    if (tail >= 2) {
        CountedRun& hour = history[tail - 2];
        const std::int64_t since = history[tail - 1].at_s - hour.at_s;
        // If the clock was set back, the history restarts.
        if (since >= 0 && since < hour_s) {
            keep_highest(hour, history[tail - 1]);
            history.erase(history.begin() + static_cast<std::ptrdiff_t>(tail) - 1);
        }
    }
    if (history.size() > recent_runs + hourly_runs)
        history.erase(history.begin(),
                      history.end() - static_cast<std::ptrdiff_t>(recent_runs + hourly_runs));
}

}  // namespace connleak

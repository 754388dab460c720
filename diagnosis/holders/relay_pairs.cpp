#include "diagnosis/holders/relay_pairs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace connleak {

namespace {

// A relay forwards at once what it has read; this allows for waiting for a processor.
constexpr std::int64_t same_moment_ms = 1000;
// Below this the kernel's clock may not distinguish two moments (10 ms at HZ=100).
constexpr std::int64_t one_tick_ms = 20;
// A connection used within this time may be in use while it is read.
constexpr std::int64_t busy_ms = 1000;
constexpr std::uint64_t busy_least_bytes = 4096;
constexpr std::uint64_t busy_tolerance = 64;  // one part in so many
constexpr std::size_t busy_neighbours = 64;   // that are compared with each

struct Side {
    Flow flow;
    std::size_t index = 0;
    bool accepted = false;
};

bool near(std::int64_t a, std::int64_t b, std::int64_t within) {
    return (a > b ? a - b : b - a) <= within;
}

bool same_moments(const Flow& a, const Flow& b, std::int64_t within) {
    return near(a.request_ago_ms, b.request_ago_ms, within) &&
           near(a.reply_ago_ms, b.reply_ago_ms, within);
}

void sort_by_time(std::vector<Side>& sides) {
    std::ranges::sort(sides, [](const Side& a, const Side& b) {
        return std::tuple(a.flow.request_ago_ms, a.flow.reply_ago_ms, a.accepted, a.index) <
               std::tuple(b.flow.request_ago_ms, b.flow.reply_ago_ms, b.accepted, b.index);
    });
}

// Splits entries sorted by time wherever nothing happened for longer than `within`.
std::vector<std::span<const Side>> moments(std::span<const Side> sides, std::int64_t within) {
    std::vector<std::span<const Side>> result;
    std::size_t begin = 0;
    for (std::size_t at = 1; at <= sides.size(); ++at) {
        if (at < sides.size() &&
            sides[at].flow.request_ago_ms - sides[at - 1].flow.request_ago_ms <= within)
            continue;
        result.push_back(sides.subspan(begin, at - begin));
        begin = at;
    }
    return result;
}

// Exactly one of each, both used at the same times.
std::optional<RelayPair> only_pair(std::span<const Side> moment, std::int64_t within) {
    if (moment.size() != 2 || moment[0].accepted == moment[1].accepted) return std::nullopt;
    if (!same_moments(moment[0].flow, moment[1].flow, within)) return std::nullopt;
    const Side& accepted = moment[moment[0].accepted ? 0 : 1];
    const Side& upstream = moment[moment[0].accepted ? 1 : 0];
    return RelayPair{accepted.index, upstream.index, 0};
}

class ByBytes {
  public:
    explicit ByBytes(std::int64_t slack_ms) : slack_ms_(slack_ms) {}

    // All with the same bytes.
    void add(std::vector<Side>& sides) {
        sort_by_time(sides);
        for (const auto& moment : moments(sides, same_moment_ms + slack_ms_)) {
            if (const auto pair = only_pair(moment, same_moment_ms + slack_ms_))
                pairs_.push_back(*pair);
            else if (!all_at_their_own(moment))
                lookalikes(moment);
        }
    }

    std::vector<RelayPair> take() { return std::move(pairs_); }

  private:
    // Distinguished by finer time steps, only if that explains all of them.
    bool all_at_their_own(std::span<const Side> moment) {
        std::vector<RelayPair> found;
        for (const auto& each : moments(moment, one_tick_ms + slack_ms_)) {
            const auto pair = only_pair(each, one_tick_ms + slack_ms_);
            if (!pair) return false;
            found.push_back(*pair);
        }
        pairs_.insert(pairs_.end(), found.begin(), found.end());
        return true;
    }

    void lookalikes(std::span<const Side> moment) {
        std::vector<std::size_t> accepted;
        std::vector<std::size_t> upstream;
        for (const Side& side : moment) (side.accepted ? accepted : upstream).push_back(side.index);
        if (accepted.empty() || upstream.empty()) return;
        if (moment.size() == 2) return;  // the only possibility, and it does not fit
        ++last_;
        for (std::size_t at = 0; at < std::min(accepted.size(), upstream.size()); ++at)
            pairs_.push_back({accepted[at], upstream[at], last_});
    }

    std::int64_t slack_ms_;
    std::uint32_t last_ = 0;
    std::vector<RelayPair> pairs_;
};

std::vector<Side> used_sides(std::span<const Flow> accepted, std::span<const Flow> upstream) {
    std::vector<Side> sides;
    for (const bool side : {true, false}) {
        const auto flows = side ? accepted : upstream;
        for (std::size_t at = 0; at < flows.size(); ++at)
            if (flows[at].used()) sides.push_back({flows[at], at, side});
    }
    return sides;
}

bool within_tolerance(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t most = std::max(a, b);
    return most - std::min(a, b) <= most / busy_tolerance;
}

bool busy(const Flow& flow) {
    return flow.used() && std::min(flow.request_ago_ms, flow.reply_ago_ms) < busy_ms &&
           flow.forward >= busy_least_bytes && flow.backward >= busy_least_bytes;
}

// The entry of `others` (sorted by forward bytes) that is close in both directions. std::nullopt:
// none, more than one, or too many to compare.
std::optional<std::size_t> only_near(const Side& side, const std::vector<Side>& others) {
    const std::uint64_t least = side.flow.forward - side.flow.forward / busy_tolerance;
    auto at = std::ranges::lower_bound(others, least, {},
                                       [](const Side& each) { return each.flow.forward; });
    std::optional<std::size_t> found;
    for (std::size_t seen = 0; at != others.end(); ++at) {
        // The larger of the two sets the measure; one step beyond it is enough to end.
        if (at->flow.forward > side.flow.forward &&
            !within_tolerance(at->flow.forward, side.flow.forward))
            break;
        if (++seen > busy_neighbours) return std::nullopt;
        if (!within_tolerance(at->flow.forward, side.flow.forward) ||
            !within_tolerance(at->flow.backward, side.flow.backward))
            continue;
        if (found) return std::nullopt;
        found = at->index;
    }
    return found;
}

}  // namespace

Flow accepted_flow(const Socket& socket) {
    if (!socket.info) return {};
    const TcpInfo& info = *socket.info;
    return {info.bytes_received, info.bytes_sent, info.last_data_received_ms,
            info.last_data_sent_ms};
}

Flow upstream_flow(const Socket& socket) {
    if (!socket.info) return {};
    const TcpInfo& info = *socket.info;
    return {info.bytes_sent, info.bytes_received, info.last_data_sent_ms,
            info.last_data_received_ms};
}

std::vector<RelayPair> pair_by_bytes(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                     std::int64_t slack_ms) {
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<Side>> alike;
    for (const Side& side : used_sides(accepted, upstream))
        alike[{side.flow.forward, side.flow.backward}].push_back(side);
    ByBytes result(slack_ms);
    for (auto& [bytes, sides] : alike) result.add(sides);
    return result.take();
}

std::vector<RelayPair> pair_by_time(std::span<const Flow> accepted, std::span<const Flow> upstream,
                                    std::int64_t slack_ms) {
    std::vector<Side> sides = used_sides(accepted, upstream);
    sort_by_time(sides);
    std::vector<RelayPair> pairs;
    for (const auto& moment : moments(sides, one_tick_ms + slack_ms))
        if (const auto pair = only_pair(moment, one_tick_ms + slack_ms)) pairs.push_back(*pair);
    return pairs;
}

void pair_busy(std::span<const Flow> accepted, std::span<const Flow> upstream,
               std::vector<RelayPair>& pairs) {
    std::vector<bool> accepted_taken(accepted.size());
    std::vector<bool> upstream_taken(upstream.size());
    for (const RelayPair& pair : pairs)
        accepted_taken[pair.accepted] = upstream_taken[pair.upstream] = true;
    const auto left = [](std::span<const Flow> flows, const std::vector<bool>& taken) {
        std::vector<Side> sides;
        for (std::size_t at = 0; at < flows.size(); ++at)
            if (!taken[at] && busy(flows[at])) sides.push_back({flows[at], at, false});
        std::ranges::sort(sides, {}, [](const Side& each) { return each.flow.forward; });
        return sides;
    };
    const std::vector<Side> ours = left(accepted, accepted_taken);
    const std::vector<Side> theirs = left(upstream, upstream_taken);
    for (const Side& side : ours) {
        const auto other = only_near(side, theirs);
        if (!other || only_near({upstream[*other], *other, false}, ours) != side.index) continue;
        pairs.push_back({side.index, *other, 0});
    }
}

}  // namespace connleak

// What `check` measures: one number per metric for all servers of a report together, where it comes
// from, and what could not be seen of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

enum class Metric : std::uint8_t {
    ghosts,
    suspects,
    orphans,
    close_wait,
    unaccepted,
    keepalive_off,
    clients_used_percent,
    ports_used_percent,
    per_process_max,
    group_growth,
};
inline constexpr std::size_t metric_count = 10;

// The contract's words.
std::string_view to_string(Metric metric);
std::optional<Metric> parse_metric(std::string_view text);
// "%" or "".
std::string_view unit(Metric metric);

struct Reading {
    // Of all servers the sum, or the greatest where it is a share, a process's or a group's.
    // Absent: not known, or nothing here has one.
    std::optional<double> value;
    std::string worst;  // who has most of it, for a person; may hold foreign bytes
};

// A thing that could not be seen, and the metrics that it may hide something of.
struct Blind {
    std::string what;  // one sentence; may hold foreign bytes
    std::uint32_t metrics = 0;
    [[nodiscard]] bool hides(Metric metric) const {
        return (metrics >> static_cast<unsigned>(metric) & 1U) != 0;
    }
};

struct Measures {
    std::array<Reading, metric_count> readings;
    std::vector<Blind> blind;
    [[nodiscard]] Reading& operator[](Metric metric) {
        return readings[static_cast<std::size_t>(metric)];
    }
    [[nodiscard]] const Reading& operator[](Metric metric) const {
        return readings[static_cast<std::size_t>(metric)];
    }
};

// All but group_growth, which needs earlier runs (diagnosis/growth.h).
Measures measure(const Sample& sample, const Report& report);

// How a line of check names a server: "10.0.0.1:6379", "*:6379", "/run/redis.sock".
std::string label(const Server& server);

// A tcp:// service of a namespace that was read whole, in which nothing translates, and nothing
// listens: nobody can reach it.
bool nobody_listens(const Sample& sample, const Server& server);

}  // namespace connleak

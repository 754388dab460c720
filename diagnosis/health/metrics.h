// What `check` measures: one number per metric over all servers of a report, its source, and what
// could not be read.
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

// Names as in connleak(1).
std::string_view to_string(Metric metric);
std::optional<Metric> parse_metric(std::string_view text);
// "%" or "".
std::string_view unit(Metric metric);

struct Reading {
    // The sum over all servers, or the maximum if it is a share or belongs to a process or a group.
    // Absent: not known, or nothing has such a value.
    std::optional<double> value;
    std::string worst;  // who has most of it, for a person; may contain foreign bytes
};

// Something that could not be read, and the metrics that may lack a part because of it.
struct Blind {
    std::string what;  // one sentence; may contain foreign bytes
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

// All metrics but group_growth, which needs earlier runs (diagnosis/health/growth.h).
Measures measure(const Sample& sample, const Report& report);

// The name of a server in a line of `check`: "10.0.0.1:6379", "*:6379", "/run/redis.sock".
std::string label(const Server& server);

// A tcp:// service that cannot be reached: its namespace was read completely, nothing there
// translates, and nothing listens.
bool nobody_listens(const Sample& sample, const Server& server);

}  // namespace connleak

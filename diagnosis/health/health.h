// Derives one state, as defined by the Monitoring Plugins, from measures and thresholds, and lists
// the problems behind it, worst first.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/health/growth.h"
#include "diagnosis/health/metrics.h"
#include "diagnosis/health/thresholds.h"

namespace connleak {

// In this order: a critical result stays critical even if something could not be read, and
// something that could not be read outranks a warning.
enum class Level : std::uint8_t { ok, warning, unknown, critical };

struct Thresholds {
    std::optional<Range> warning;
    std::optional<Range> critical;
};

struct Rules {
    std::array<Thresholds, metric_count> of;
    bool named = false;   // by the user: only the named metrics are judged
    bool strict = false;  // a judged metric that was not read completely is unknown
    [[nodiscard]] Thresholds& operator[](Metric metric) {
        return of[static_cast<std::size_t>(metric)];
    }
    [[nodiscard]] const Thresholds& operator[](Metric metric) const {
        return of[static_cast<std::size_t>(metric)];
    }
    [[nodiscard]] bool judges(Metric metric) const {
        return (*this)[metric].warning || (*this)[metric].critical;
    }
};

// The metrics judged when the user names none.
Rules default_rules();

struct Problem {
    Level level = Level::warning;
    std::string text;   // for the first line; may contain foreign bytes, as may `place`
    std::string place;  // where most of it is, with a preposition: " at 10.0.0.1:6379"
    std::optional<Metric> metric;
    std::optional<std::size_t> server;  // the one that refuses or cannot be reached
};

struct Health {
    Level level = Level::ok;
    std::vector<Problem> problems;  // worst first
    bool incomplete = false;        // some metric was not read completely
};

// A server that refuses clients or cannot be reached is critical, regardless of the rules.
Health judge_health(const Sample& sample, const Measures& measures, const Rules& rules);

// Inserts a problem in order.
void add(Health& health, Problem problem);

std::string_view to_string(Level level);  // "CRITICAL"

}  // namespace connleak

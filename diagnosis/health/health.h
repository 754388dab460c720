// From measures and thresholds to one state, as the Monitoring Plugins have it, and the problems
// that make it, the worst first.
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

// In this order: what is found critical stays so however much could not be seen, and what could not
// be seen outranks a warning.
enum class Level : std::uint8_t { ok, warning, unknown, critical };

struct Thresholds {
    std::optional<Range> warning;
    std::optional<Range> critical;
};

struct Rules {
    std::array<Thresholds, metric_count> of;
    bool named = false;   // by the user: only these metrics are judged
    bool strict = false;  // a judged metric that was not seen whole is unknown
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

// What is judged when the user names no metric.
Rules default_rules();

struct Problem {
    Level level = Level::warning;
    std::string text;   // for the first line; may hold foreign bytes, as may the place
    std::string place;  // where most of it is, with its preposition: " at 10.0.0.1:6379"
    std::optional<Metric> metric;
    std::optional<std::size_t> server;  // that refuses or cannot be reached
};

struct Health {
    Level level = Level::ok;
    std::vector<Problem> problems;  // worst first
    bool incomplete = false;        // some metric was not seen whole
};

// A server that refuses clients or cannot be reached is critical, whatever the rules are.
Health judge_health(const Sample& sample, const Measures& measures, const Rules& rules);

// Adds a problem in its place.
void add(Health& health, Problem problem);

std::string_view to_string(Level level);  // "CRITICAL"

}  // namespace connleak

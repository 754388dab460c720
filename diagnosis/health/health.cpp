#include "diagnosis/health/health.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "diagnosis/findings/findings.h"
#include "diagnosis/model/phrase.h"

namespace connleak {

namespace {

using enum Metric;

// Among problems of the same level, the one that affects clients sooner comes first.
constexpr std::array by_weight{clients_used_percent, ghosts,       orphans,    ports_used_percent,
                               unaccepted,           group_growth, close_wait, suspects,
                               per_process_max,      keepalive_off};

std::size_t weight(const Problem& problem) {
    if (problem.server) return 0;
    if (!problem.metric) return by_weight.size() + 1;
    return 1 + static_cast<std::size_t>(std::ranges::find(by_weight, *problem.metric) -
                                        by_weight.begin());
}

Problem describe(Metric metric, const Reading& reading) {
    const double value = reading.value.value_or(0);
    const auto whole = static_cast<std::uint64_t>(std::max(value, 0.0));
    const auto problem = [&](std::string text, std::string_view preposition) {
        Problem made;
        made.metric = metric;
        made.text = std::move(text);
        if (!reading.worst.empty()) made.place = std::string(preposition) + reading.worst;
        return made;
    };
    const std::string number = phrase::number(whole);
    switch (metric) {
        case ghosts:
            return problem(phrase::count(whole, "ghost"), " at ");
        case suspects:
            return problem(phrase::count(whole, "suspect"), " at ");
        case orphans:
            return problem(phrase::count(whole, "orphan"), " of ");
        case close_wait:
            return problem(number + " in CLOSE-WAIT", " at ");
        case unaccepted:
            return problem(number + " not accepted", " at ");
        case keepalive_off:
            return problem(number + " without keepalive", " at ");
        case clients_used_percent:
            return problem(plain(value) + " % of clients used", " at ");
        case ports_used_percent:
            return problem(plain(value) + " % of ports used", " by ");
        case per_process_max:
            return problem(phrase::count(whole, "connection"), " of ");
        case group_growth:
            return problem(phrase::count(whole, "connection") + " gained", " by ");
    }
    return {};
}

void judge_servers(const Sample& sample, Health& health) {
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        const Server& server = sample.servers[at];
        const ServerAnswer& answer = server.answer;
        std::string text = label(server);
        if (answer.refused_at_limit)
            text += " refuses clients";
        else if (answer.asked && !answer.reachable)
            text += " cannot be reached (" + answer.error + ')';
        else if (nobody_listens(sample, server))
            text += " cannot be reached (nothing listens there)";
        else
            continue;
        health.problems.push_back({Level::critical, std::move(text), "", std::nullopt, at});
    }
}

std::string listed(const std::vector<Metric>& metrics) {
    std::string text;
    for (const Metric metric : metrics) {
        text += text.empty() ? "" : ", ";
        text += to_string(metric);
    }
    return text;
}

}  // namespace

Rules default_rules() {
    const auto above = [](std::uint64_t value) {
        return Range{.low = 0, .high = static_cast<double>(value), .inside = false};
    };
    Rules rules;
    // These are proven: one is worth a look in working hours, a hundred mean that they accumulate.
    rules[ghosts] = {above(0), above(100)};
    rules[orphans] = {above(0), above(100)};
    // A few are normal on every busy host.
    rules[suspects] = {above(10), std::nullopt};
    rules[close_wait] = {above(10), above(1000)};
    rules[unaccepted] = {above(10), above(100)};
    // Same limits as the report's findings.
    rules[clients_used_percent] = {above(clients_warning_percent), above(clients_critical_percent)};
    rules[ports_used_percent] = {above(ports_warning_percent), above(ports_critical_percent)};
    // More than an ordinary pool adds when it is deployed. Without a state file there is no value.
    rules[group_growth] = {above(100), std::nullopt};
    // keepalive_off is a setting and per_process_max depends on the program: no default suits all.
    return rules;
}

Health judge_health(const Sample& sample, const Measures& measures, const Rules& rules) {
    Health health;
    judge_servers(sample, health);
    std::vector<Metric> unseen;
    std::vector<Metric> unknown;
    for (std::size_t at = 0; at < metric_count; ++at) {
        const auto metric = static_cast<Metric>(at);
        const Reading& reading = measures[metric];
        const bool hidden = std::ranges::any_of(
            measures.blind, [metric](const Blind& each) { return each.hides(metric); });
        health.incomplete |= hidden;
        if (!rules.judges(metric)) continue;
        if (hidden) unseen.push_back(metric);
        if (!reading.value) {
            // There is no growth on the first run.
            if (hidden && rules.named && metric != group_growth) unknown.push_back(metric);
            continue;
        }
        const Thresholds& thresholds = rules[metric];
        const bool critical = thresholds.critical && thresholds.critical->alerts(*reading.value);
        const bool warning = thresholds.warning && thresholds.warning->alerts(*reading.value);
        if (!critical && !warning) continue;
        Problem problem = describe(metric, reading);
        problem.level = critical ? Level::critical : Level::warning;
        health.problems.push_back(std::move(problem));
    }
    Problem blind;
    blind.level = Level::unknown;
    if (rules.strict && !unseen.empty())
        blind.text = "not seen whole: " + listed(unseen);
    else if (!unknown.empty())
        blind.text = "not known: " + listed(unknown);
    if (!blind.text.empty()) health.problems.push_back(std::move(blind));
    std::ranges::stable_sort(health.problems, [](const Problem& a, const Problem& b) {
        return std::tuple(b.level, weight(a)) < std::tuple(a.level, weight(b));
    });
    if (!health.problems.empty()) health.level = health.problems.front().level;
    return health;
}

void add(Health& health, Problem problem) {
    health.level = std::max(health.level, problem.level);
    const auto place = std::ranges::find_if(
        health.problems, [&](const Problem& each) { return each.level < problem.level; });
    health.problems.insert(place, std::move(problem));
}

std::string_view to_string(Level level) {
    switch (level) {
        case Level::ok:
            return "OK";
        case Level::warning:
            return "WARNING";
        case Level::critical:
            return "CRITICAL";
        case Level::unknown:
            break;
    }
    return "UNKNOWN";
}

}  // namespace connleak

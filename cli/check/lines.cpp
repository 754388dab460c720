#include "cli/check/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "cli/render/text.h"
#include "cli/report/table.h"
#include "diagnosis/findings/findings.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"
#include "diagnosis/model/server_family.h"

namespace connleak::render {

namespace {

using phrase::count;
using phrase::number;

constexpr std::size_t first_line = 79;
// Monitoring systems store a few kilobytes: the most severe come first.
constexpr std::size_t longest_line = 400;
constexpr std::size_t problems_shown = 20;
constexpr std::size_t shares_shown = 3;
constexpr std::size_t blind_shown = 12;

// The finding that explains a metric.
constexpr std::array<std::string_view, metric_count> finding_of{
    "ghost-connections",
    "suspect-connections",
    "orphan-connections",
    "close-wait-leak",
    "unaccepted-connections",
    "keepalive-off",
    "clients-near-limit",
    "ephemeral-port-pressure",
    "",
    "",
};

// One line, without the character that begins performance data.
std::string safe(std::string_view text) {
    std::string result;
    for (const char c : printable(text)) {
        if (c == '|')
            result += "\\x7c";
        else
            result += c;
    }
    return result;
}

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// In columns and in characters: combining marks take no column.
std::size_t extent(std::string_view text) {
    return std::max(width(text), characters(text));
}

std::string cut(std::string_view text, std::size_t most) {
    std::string result(text);
    for (std::size_t columns = most; extent(result) > most; --columns) {
        if (columns == 0) return "";
        result = fit(text, columns);
    }
    return result;
}

std::string in_words(const Range& range) {
    if (range.low == 0.0 && range.high && !range.inside) return "above " + plain(*range.high);
    return range.text();
}

std::string limits(const Thresholds& thresholds) {
    std::string text;
    const auto add = [&](const std::optional<Range>& range, std::string_view name) {
        if (!range) return;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, in_words(*range));
    };
    add(thresholds.warning, "warning");
    add(thresholds.critical, "critical");
    return text;
}

class Text {
  public:
    explicit Text(const CheckText& check) : check_(check) {}

    std::string make() {
        text_ = head() + " | " + performance() + '\n';
        std::size_t shown = 0;
        for (const Problem& problem : check_.health.problems) {
            if (shown++ == problems_shown) {
                line(fmt::format("… and {} more",
                                 number(check_.health.problems.size() - problems_shown)));
                break;
            }
            explain(problem);
        }
        for (const std::string& note : check_.notes) line(note);
        blind();
        if (check_.verbosity > 0) metrics();
        if (check_.verbosity > 1) report();
        return std::move(text_);
    }

  private:
    void line(std::string_view content) {
        text_ += fit(safe(content), longest_line);
        text_ += '\n';
    }

    // "CONNLEAK WARNING: 3 ghosts at 10.0.0.1:6379; 1 more (incomplete)"
    std::string head() {
        const Health& health = check_.health;
        const std::string begin = fmt::format("CONNLEAK {}: ", to_string(health.level));
        const bool said = health.level == Level::unknown;
        const std::string end = health.incomplete && !said ? " (incomplete)" : "";
        const std::size_t room = first_line - begin.size() - end.size();
        std::string text;
        if (health.problems.empty()) text = cut(safe(all_well()), room);
        for (std::size_t at = 0; at < health.problems.size(); ++at) {
            const Problem& problem = health.problems[at];
            std::string next = safe(problem.text);
            // If most problems are at one server, it is named once.
            const std::string place = safe(problem.place);
            const std::size_t name = std::min(place.find(' ', 1), place.size());
            if (!place.empty() && !text.contains(place.substr(std::min(name + 1, place.size()))))
                next += place;
            const std::size_t left = health.problems.size() - at;
            const std::string rest = fmt::format("; {} more", number(left));
            const std::string after = left > 1 ? fmt::format("; {} more", number(left - 1)) : "";
            if (at == 0) {
                text = cut(next, room - after.size());
            } else if (extent(text) + 2 + extent(next) + after.size() <= room) {
                text += "; " + next;
            } else {
                text += rest;
                break;
            }
        }
        return begin + text + end;
    }

    [[nodiscard]] std::uint64_t unverified() const {
        std::uint64_t sum = 0;
        for (const ServerCounts& counts : check_.report.counts)
            sum += counts.verdict[static_cast<std::size_t>(Verdict::unverified)];
        return sum;
    }

    [[nodiscard]] std::string all_well() const {
        if (check_.sample.servers.empty())
            return no_server_text(&ServerFamily::title) + " here, and no connection to one";
        std::string text = count(check_.sample.servers.size(), "server") + ", " +
                           count(check_.report.connections.size(), "connection");
        if (const auto used = check_.measures[Metric::clients_used_percent].value)
            text += ", " + plain(*used) + " % of clients used";
        if (unverified() > 0) text += ", " + number(unverified()) + " unverified";
        return text;
    }

    [[nodiscard]] std::string performance() const {
        std::string text;
        for (std::size_t at = 0; at < metric_count; ++at) {
            const auto metric = static_cast<Metric>(at);
            const Reading& reading = check_.measures[metric];
            const Thresholds& its = check_.rules[metric];
            text += fmt::format("{}{}=", at == 0 ? "" : " ", to_string(metric));
            text += reading.value ? plain(*reading.value) + std::string(unit(metric)) : "U";
            text += fmt::format(";{};{};0", its.warning ? its.warning->text() : "",
                                its.critical ? its.critical->text() : "");
        }
        return text;
    }

    void explain(const Problem& problem) {
        std::string first =
            fmt::format("{} {}{}", to_string(problem.level), problem.text, problem.place);
        if (problem.metric) first += fmt::format(" ({})", limits(check_.rules[*problem.metric]));
        line(first);
        for (const Finding& finding : check_.report.findings) {
            if (problem.server && finding.server == *problem.server &&
                (finding.code == "server-unreachable" || finding.code == "server-refuses-clients"))
                explain(finding);
            if (problem.metric && !finding.code.empty() &&
                finding.code == finding_of[static_cast<std::size_t>(*problem.metric)])
                explain(finding);
        }
    }

    void explain(const Finding& finding) {
        const Server& server = check_.sample.servers[finding.server];
        line(fmt::format("  {}: {}", label(server), finding.summary));
        std::size_t shown = 0;
        for (const Share& share : finding.shares) {
            if (shown++ == shares_shown) {
                line(
                    fmt::format("    … and {} more", number(finding.shares.size() - shares_shown)));
                break;
            }
            std::string quiet;
            if (share.quiet_max_s)
                quiet = fmt::format(", silent for up to {}", phrase::duration(*share.quiet_max_s));
            line(fmt::format("    {}: {}{}", share.name, number(share.count), quiet));
        }
        if (finding.code == "clients-near-limit" || finding.code == "server-refuses-clients")
            holders(finding.server);
        const bool pasted = !finding.command.contains('|');
        for_each_line(finding.remedy, [&](std::string_view each, bool last) {
            std::string sentence(each);
            // What would follow contains a pipe, which is not allowed here.
            if (last && !pasted && sentence.ends_with(':')) sentence.back() = '.';
            line("    " + sentence);
        });
        if (!pasted)
            line(fmt::format("    The command: connleak {}", target_text(server)));
        else
            for_each_line(finding.command, [&](std::string_view each, bool) {
                line(fmt::format("    $ {}", each));
            });
    }

    void holders(std::size_t server) {
        const std::string here = label(check_.sample.servers[server]);
        std::vector<std::pair<std::uint64_t, std::string>> groups;
        for (const auto& [key, held] : count_groups(check_.sample, check_.report, 0).counts)
            if (key.server == here) groups.emplace_back(held, key.group);
        std::ranges::stable_sort(groups, std::greater{}, &decltype(groups)::value_type::first);
        if (groups.size() > shares_shown) groups.resize(shares_shown);
        for (const auto& [held, group] : groups)
            line(fmt::format("    held by {}: {}", group, number(held)));
    }

    template <typename Each>
    static void for_each_line(std::string_view text, const Each& each) {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            each(text.substr(0, end), end == text.size());
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }

    void blind() {
        // No access was refused, so this host's data is complete anyway.
        if (unverified() > 0)
            line(
                fmt::format("unverified: {} quiet, the other side out of sight; there may be "
                            "ghosts among them",
                            count(unverified(), "connection is", "connections are")));
        std::size_t shown = 0;
        for (const Blind& each : check_.measures.blind) {
            if (shown++ == blind_shown) {
                line(fmt::format("not seen: {} things more",
                                 number(check_.measures.blind.size() - blind_shown)));
                break;
            }
            std::string metrics;
            for (std::size_t at = 0; at < metric_count; ++at) {
                const auto metric = static_cast<Metric>(at);
                if (each.hides(metric))
                    metrics += fmt::format("{}{}", metrics.empty() ? "" : ", ", to_string(metric));
            }
            line(fmt::format("not seen: {}{}{}", cut(safe(each.what), 240),
                             metrics.empty() ? "" : "; may hide: ", metrics));
        }
    }

    void metrics() {
        for (std::size_t at = 0; at < metric_count; ++at) {
            const auto metric = static_cast<Metric>(at);
            const Reading& reading = check_.measures[metric];
            const std::string bounds = limits(check_.rules[metric]);
            std::string text = fmt::format("{}: {}{}", to_string(metric),
                                           reading.value ? plain(*reading.value) : "not known",
                                           reading.value && !unit(metric).empty() ? " %" : "");
            if (!reading.worst.empty()) text += ", most: " + reading.worst;
            if (!bounds.empty()) text += fmt::format(" ({})", bounds);
            line(text);
        }
    }

    void report() {
        const std::string table = to_table(check_.sample, check_.report, {.columns = 120});
        for_each_line(table, [&](std::string_view each, bool) { line(each.empty() ? " " : each); });
    }

    const CheckText& check_;
    std::string text_;
};

}  // namespace

std::string to_check(const CheckText& check) {
    return Text(check).make();
}

std::string check_line(Level level, std::string_view text) {
    const std::string begin = fmt::format("CONNLEAK {}: ", to_string(level));
    return begin + cut(safe(text), first_line - begin.size()) + '\n';
}

}  // namespace connleak::render

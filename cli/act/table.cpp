#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

#include "cli/act/render.h"
#include "cli/render/paint.h"
#include "cli/render/text.h"
#include "cli/report/table.h"
#include "diagnosis/findings/commands.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"

namespace connleak::render {

namespace {

using Align = Grid::Align;
using phrase::number;

constexpr std::size_t columns = 100;
constexpr std::size_t parts_shown = 12;
constexpr std::size_t reasons_shown = 6;

// The actions with the same address, group and method.
struct Part {
    std::string address;
    std::string group;
    Method method = Method::kill;
    std::uint64_t count = 0;
    std::uint64_t done = 0;
    std::uint64_t skipped = 0;
    std::uint64_t failed = 0;
    std::int64_t least_ms = 0;
    std::int64_t most_ms = 0;
};

std::vector<Part> parts_of(const Plan& plan, std::size_t server) {
    std::map<std::tuple<std::string, std::string, Method>, Part> parts;
    for (const Action& action : plan.actions) {
        const Connection& connection = *action.connection;
        if (connection.server != server || !action.planned) continue;
        Part& part =
            parts[{connection.own_client_end().address.text(), connection.group, action.method}];
        const std::int64_t silent = silent_ms(connection);
        part.least_ms = part.count == 0 ? silent : std::min(part.least_ms, silent);
        part.most_ms = std::max(part.most_ms, silent);
        ++part.count;
        if (action.outcome == Outcome::done) ++part.done;
        if (action.outcome == Outcome::skipped) ++part.skipped;
        if (action.outcome == Outcome::failed) ++part.failed;
    }
    std::vector<Part> sorted;
    for (auto& [key, part] : parts) {
        std::tie(part.address, part.group, part.method) = key;
        sorted.push_back(std::move(part));
    }
    std::ranges::stable_sort(sorted, std::greater{}, &Part::count);
    return sorted;
}

std::string silence(const Part& part) {
    const std::string least = phrase::duration(part.least_ms / 1000);
    const std::string most = phrase::duration(part.most_ms / 1000);
    return least == most ? least : fmt::format("{} to {}", least, most);
}

std::string grid(const Acts& acts, std::size_t server, bool with_group, const Paint& paint) {
    const auto parts = parts_of(acts.plan, server);
    if (parts.empty()) return "";
    std::vector<Align> align{Align::left};
    std::vector<std::string> heading{"FROM"};
    const auto column = [&](Align how, const char* name) {
        align.push_back(how);
        heading.emplace_back(name);
    };
    if (with_group) column(Align::left, "HELD BY");
    column(Align::right, with_group ? "CONNS" : "GHOSTS");
    column(Align::left, "SILENT");
    if (!with_group) column(Align::left, "METHOD");
    if (acts.acted)
        for (const char* name : {"DONE", "SKIPPED", "FAILED"}) column(Align::right, name);
    Grid grid(align);
    grid.row(heading);
    std::size_t shown = 0;
    for (const Part& part : parts) {
        if (shown++ == parts_shown) break;
        std::vector<std::string> cells{part.address.empty() ? "a Unix socket" : part.address};
        if (with_group) cells.push_back(part.group.empty() ? "-" : printable(part.group));
        cells.push_back(number(part.count));
        cells.push_back(silence(part));
        if (!with_group) cells.emplace_back(to_string(part.method));
        if (acts.acted)
            for (const std::uint64_t count : {part.done, part.skipped, part.failed})
                cells.push_back(number(count));
        grid.row(std::move(cells));
    }
    std::string text = "\n";
    const auto lines = grid.lines(columns, {with_group ? std::size_t{1} : std::size_t{0}});
    for (std::size_t at = 0; at < lines.size(); ++at)
        text += (at == 0 ? paint.dim(lines[at]) : lines[at]) + '\n';
    if (parts.size() > parts_shown)
        text += fmt::format("… and {} more, see --json\n", number(parts.size() - parts_shown));
    return text;
}

// "  2 skipped: the client came back", most frequent first.
std::string reasons(const Plan& plan, std::size_t server) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> counts;
    for (const Action& action : plan.actions) {
        if (action.connection->server != server || action.reason.empty()) continue;
        const std::string how =
            action.outcome ? std::string(to_string(*action.outcome)) : "cannot be planned";
        ++counts[{how, action.reason}];
    }
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    lines.reserve(counts.size());
    for (const auto& [what, count] : counts)
        lines.emplace_back(
            count, fmt::format("{} {}: {}", number(count), what.first, printable(what.second)));
    std::ranges::stable_sort(lines, std::greater{}, [](const auto& line) { return line.first; });
    std::string text;
    for (std::size_t at = 0; at < std::min(lines.size(), reasons_shown); ++at)
        text += "  " + wrap(lines[at].second, columns - 2, 4) + '\n';
    if (lines.size() > reasons_shown) text += "  … and more, see --json\n";
    return text;
}

std::string heading(const Server& server, const std::string& rest, const Paint& paint) {
    std::string text(to_string(server.kind));
    if (!server.answer.version.empty()) text += ' ' + fit(printable(server.answer.version), 24);
    return paint.bold(fmt::format("{}  {}  {}", text, place_of(server), rest)) + '\n';
}

std::uint64_t count_of(const Plan& plan, std::size_t server, std::optional<Outcome> outcome,
                       bool any_outcome) {
    return static_cast<std::uint64_t>(std::ranges::count_if(plan.actions, [&](const Action& each) {
        return each.connection->server == server && (any_outcome || each.outcome == outcome);
    }));
}

std::string ending(const Acts& acts, const char* what_yes_does) {
    std::string text;
    if (acts.interrupted)
        text += "\nInterrupted: the rest was left as it was.\n";
    else if (!acts.acted && acts.plan.totals().planned > 0)
        text += fmt::format("\nNothing was changed. --yes {}.\n", what_yes_does);
    return text;
}

std::string settings_text(const Sample& sample, const Acts& acts, std::size_t index) {
    std::string text;
    for (const ServerSetting& each : acts.settings) {
        if (each.server != index) continue;
        const Server& server = sample.servers[index];
        const Commands commands(sample, server);
        const ServerFamily& family = family_of(server.kind);
        const std::string_view name = family.settings.keepalive;
        const auto say = [&](const std::string& sentence, const std::string& command) {
            text += '\n' + wrap(sentence, columns, 0) + '\n';
            if (!command.empty()) text += "  " + printable(command) + '\n';
        };
        const std::string now =
            fmt::format("{} is {} s now, for new connections.", name, each.value_s);
        const std::string persist(family.settings.persist);
        if (each.outcome == Outcome::done && persist.empty())
            say(now, "");
        else if (each.outcome == Outcome::done)
            say(now + " To keep it over a restart:", commands.client(persist));
        else if (each.outcome == Outcome::failed)
            say(fmt::format("{} could not be set: {}", name, printable(each.reason)), "");
        else if (each.planned)
            say(fmt::format("New connections: {}.", family.set(name, each.value_s)), "");
        else
            say(fmt::format("The server's {} is 0: new connections get no keepalive. With --server "
                            "it is set, too; or by:",
                            name),
                commands.set(name, each.value_s));
    }
    return text;
}

// Connections that may be dead, but are not proven to be.
std::string doubtful(const Sample& sample, const Report& report, std::size_t server) {
    const auto count = static_cast<std::uint64_t>(
        std::ranges::count_if(report.connections, [&](const Connection& each) {
            return each.server == server && !is_unix(each) &&
                   (each.verdict == Verdict::unverified || each.verdict == Verdict::suspect);
        }));
    if (count == 0) return "";
    const Commands commands(sample, sample.servers[server]);
    const std::string text =
        '\n' +
        wrap(phrase::count(count, "more is", "more are") +
                 " silent without proof either way, and not touched. Proof comes by:",
             columns, 0) +
        '\n';
    const std::string command = commands.connleak("verify");
    return command.empty() ? text : text + "  " + printable(command) + '\n';
}

}  // namespace

std::string reap_table(const Sample& sample, const Acts& acts, bool color) {
    const Paint paint(color);
    std::string text;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        const std::uint64_t ghosts = count_of(acts.plan, at, {}, true);
        if (!text.empty()) text += '\n';
        text += heading(sample.servers[at],
                        ghosts == 0 ? "no ghosts, nothing to do" : phrase::count(ghosts, "ghost"),
                        paint) +
                grid(acts, at, false, paint);
        if (acts.acted && ghosts > 0)
            text += fmt::format("\n{} of {} removed\n",
                                number(count_of(acts.plan, at, Outcome::done, false)),
                                phrase::count(ghosts, "ghost"));
        text += reasons(acts.plan, at) + doubtful(sample, acts.report, at);
    }
    if (acts.plan.beyond_max > 0)
        text +=
            fmt::format("\n{} left for another time (--max).\n",
                        phrase::count(acts.plan.beyond_max, "more ghost is", "more ghosts are"));
    if (acts.report.probes) text += '\n' + probes_text(*acts.report.probes) + '\n';
    return text + ending(acts, "removes them, each after another look") +
           gap_lines(sample.gaps, columns, paint);
}

std::string protect_table(const Sample& sample, const Acts& acts, bool color) {
    const Paint paint(color);
    std::string text;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        const Server& server = sample.servers[at];
        const auto wanting = static_cast<std::uint64_t>(
            std::ranges::count_if(acts.plan.actions, [&](const Action& each) {
                return each.connection->server == at && each.reason != needs_no_keepalive;
            }));
        if (!text.empty()) text += '\n';
        std::string rest =
            wanting == 0 ? "every connection has keepalive, nothing to do"
                         : phrase::count(wanting, "connection") + " without keepalive, to get " +
                               phrase::duration(keepalive_s(server, acts.keepalive_s));
        const auto covered = std::ranges::find(acts.coverage, at, &Coverage::server);
        if (wanting == 0 && covered == acts.coverage.end())
            rest = "no connections that take keepalive, nothing to do";
        text += heading(server, rest, paint) + grid(acts, at, true, paint);
        if (acts.acted && wanting > 0 && covered != acts.coverage.end())
            text += fmt::format("\n{} of {} {} keepalive now\n", number(covered->covered),
                                phrase::count(covered->connections, "connection"),
                                covered->connections == 1 ? "has" : "have");
        text += reasons(acts.plan, at) + settings_text(sample, acts, at);
    }
    return text + ending(acts, "turns keepalive on") + gap_lines(sample.gaps, columns, paint);
}

}  // namespace connleak::render

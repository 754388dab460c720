#include <fmt/format.h>

#include <algorithm>

#include "cli/render/paint.h"
#include "cli/render/text.h"
#include "cli/report/table.h"
#include "cli/what_if/render.h"
#include "diagnosis/findings/commands.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"

namespace connleak::render {

namespace {

using Align = Grid::Align;
using phrase::number;

constexpr std::size_t columns = 100;
constexpr std::size_t parts_shown = 5;
constexpr std::size_t bar_width = 48;

std::uint64_t of(const VerdictCounts& counts, Verdict verdict) {
    return counts[static_cast<std::size_t>(verdict)];
}

// Connections that are neither healthy nor ghosts.
std::uint64_t unsure(const VerdictCounts& counts) {
    std::uint64_t total = 0;
    for (const std::uint64_t each : counts) total += each;
    return total - of(counts, Verdict::healthy) - of(counts, Verdict::ghost);
}

std::string lines_of(const std::vector<std::string>& lines, const Paint& paint) {
    std::string text;
    for (std::size_t at = 0; at < lines.size(); ++at)
        text += (at == 0 ? paint.dim(lines[at]) : lines[at]) + '\n';
    return text;
}

std::string candidates(const WhatIf& answer, const Paint& paint) {
    Grid grid({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right,
               Align::left});
    grid.row({"TIMEOUT", "CLOSES", "GHOST", "HEALTHY", "UNSURE", "EXEMPT", "WHY EXEMPT"});
    for (const TimeoutCandidate& each : answer.candidates) {
        std::string why;
        for (std::size_t at = 0; at < exempt_count; ++at)
            if (each.exempt[at] > 0)
                why += fmt::format("{}{} {}", why.empty() ? "" : ", ", number(each.exempt[at]),
                                   to_string(static_cast<Exempt>(at)));
        grid.row({phrase::duration(each.timeout_s), number(each.closes),
                  number(of(each.verdict, Verdict::ghost)),
                  number(of(each.verdict, Verdict::healthy)), number(unsure(each.verdict)),
                  number(each.exempt_total()), why.empty() ? "-" : why});
    }
    return lines_of(grid.lines(columns, {6}), paint);
}

// The owners of the connections that the smallest effective value closes; longer values close a
// subset of these.
std::string whose(const WhatIf& answer, const Paint& paint) {
    const TimeoutCandidate* chosen = nullptr;
    for (const TimeoutCandidate& each : answer.candidates)
        if (each.closes > 0 && (chosen == nullptr || each.timeout_s < chosen->timeout_s))
            chosen = &each;
    if (chosen == nullptr) return "";
    Grid grid({Align::left, Align::left, Align::right, Align::right, Align::right, Align::right});
    grid.row({fmt::format("AT {} FROM", phrase::duration(chosen->timeout_s)), "HELD BY", "CLOSES",
              "GHOST", "HEALTHY", "UNSURE"});
    std::size_t shown = 0;
    for (const TimedOut& part : chosen->whose) {
        if (shown++ == parts_shown) break;
        grid.row({part.address.empty() ? "a Unix socket" : part.address,
                  part.group.empty() ? "-" : printable(part.group), number(part.closes),
                  number(of(part.verdict, Verdict::ghost)),
                  number(of(part.verdict, Verdict::healthy)), number(unsure(part.verdict))});
    }
    std::string text = '\n' + lines_of(grid.lines(columns, {1}), paint);
    if (chosen->whose.size() > parts_shown)
        text +=
            fmt::format("… and {} more, see --json\n", number(chosen->whose.size() - parts_shown));
    return text;
}

std::string range_name(const IdleRange& range) {
    if (!range.below_s) return phrase::short_duration(range.from_s) + " or more";
    if (range.from_s == 0) return "below " + phrase::short_duration(*range.below_s);
    return fmt::format("{} to {}", phrase::short_duration(range.from_s),
                       phrase::short_duration(*range.below_s));
}

std::uint64_t total(const IdleRange& range) {
    return of(range.verdict, Verdict::healthy) + of(range.verdict, Verdict::ghost) +
           unsure(range.verdict) + range.exempt;
}

// The idle times as bars; each kind that occurs has at least one mark.
std::string picture(const WhatIf& answer, const Paint& paint) {
    std::uint64_t most = 0;
    std::size_t first = answer.idle.size(), last = 0;
    for (std::size_t at = 0; at < answer.idle.size(); ++at) {
        const std::uint64_t count = total(answer.idle[at]);
        if (count == 0) continue;
        most = std::max(most, count);
        first = std::min(first, at);
        last = at;
    }
    if (most == 0) return "";
    Grid grid({Align::left, Align::right, Align::left});
    grid.row({"IDLE", "CLIENTS", "= healthy   x ghost   ? unsure   . exempt"});
    for (std::size_t at = first; at <= last; ++at) {
        const IdleRange& range = answer.idle[at];
        std::string bar;
        const auto mark = [&](std::uint64_t count, char sign) {
            if (count == 0) return;
            bar.append(std::max<std::size_t>(1, count * bar_width / most), sign);
        };
        mark(of(range.verdict, Verdict::healthy), '=');
        mark(of(range.verdict, Verdict::ghost), 'x');
        mark(unsure(range.verdict), '?');
        mark(range.exempt, '.');
        grid.row({range_name(range), number(total(range)), bar});
    }
    return '\n' + lines_of(grid.lines(columns, {}), paint);
}

std::string advice(const Sample& sample, const WhatIf& answer) {
    const Server& server = sample.servers[answer.server];
    const Commands commands(sample, server);
    std::string text =
        fmt::format("\nThe smallest that closes no client that may be alive, now: {} s ({}).\n",
                    number(static_cast<std::uint64_t>(answer.smallest_harmless_s)),
                    phrase::duration(answer.smallest_harmless_s));
    const ServerFamily& family = family_of(server.kind);
    const std::string command =
        commands.set(family.settings.idle_timeout, answer.smallest_harmless_s);
    if (!command.empty()) text += "  " + printable(command) + '\n';
    if (!family.texts.timeout_reaches.empty())
        text += wrap(std::string(family.texts.timeout_reaches), columns, 0) + '\n';
    return text +
           wrap(
               "A living client that stays silent for longer than a timeout is closed later. "
               "To remove ghosts alone: connleak reap.",
               columns, 0) +
           '\n';
}

}  // namespace

std::string what_if_table(const Sample& sample, std::span<const WhatIf> answers, bool color) {
    const Paint paint(color);
    std::string text;
    for (const WhatIf& answer : answers) {
        const Server& server = sample.servers[answer.server];
        std::string heading(to_string(server.kind));
        if (!server.answer.version.empty()) heading += ' ' + printable(server.answer.version);
        heading +=
            fmt::format("  {}  {}", place_of(server), phrase::count(answer.clients, "client"));
        if (const auto timeout = server.answer.timeout_s)
            heading += fmt::format(
                ", {} {}", family_of(server.kind).settings.idle_timeout,
                *timeout == 0 ? "off" : phrase::duration(static_cast<std::int64_t>(*timeout)));
        if (!text.empty()) text += '\n';
        text += paint.bold(heading) + "\n\n" + candidates(answer, paint) + whose(answer, paint) +
                picture(answer, paint) + advice(sample, answer);
    }
    return text + gap_lines(sample.gaps, columns, paint);
}

}  // namespace connleak::render

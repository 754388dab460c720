// connleak sockets: shows what ss and netstat -o show, and more. It reads, filters and prints: it
// draws no conclusions and asks no server.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ranges>

#include "cli/output.h"
#include "cli/render/text.h"
#include "cli/sockets/count.h"
#include "cli/sockets/names.h"
#include "cli/sockets/options.h"
#include "cli/sockets/read.h"
#include "cli/sockets/render.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

int fail_at(const Arguments& filter, const FilterError& error) {
    std::string shown = show_filter_error(filter_text(filter), error, printable, render::width);
    shown.erase(shown.find_last_not_of('\n') + 1);
    return fail(bad_usage, fmt::format("{}\n{}", printable(error.message), shown));
}

Wanted what_is_wanted(const SocketsOptions& options, const Filter& filter) {
    Wanted wanted;
    const bool counting = !options.count_by.empty();
    wanted.info = filter.asks_for_info() || counting;
    if (counting) {
        wanted.owners = std::ranges::any_of(options.count_by, needs_owners);
        wanted.listening = true;
        return wanted;
    }
    auto columns = options.columns;
    for (const SortBy& sort : options.sort) columns.push_back(sort.column);
    const bool all = options.format != Format::table;
    for (const render::Column* column : columns) {
        wanted.owners |= column->need == render::Need::owners;
        wanted.info |= column->need == render::Need::info;
        wanted.memory |= column->need == render::Need::memory;
        wanted.devices |= column->name == "INTERFACE";
        wanted.cgroups |= column->name == "CGROUP";
        wanted.probes |= column->name == "TIMER" && options.timer == render::TimerStyle::netstat;
    }
    wanted.owners |= all;
    wanted.info |= all;
    wanted.memory |= all;
    wanted.devices |= all;
    wanted.cgroups |= all;
    return wanted;
}

// Before the processes, whose names vary in length.
void add_netns_column(std::vector<const render::Column*>& columns) {
    const render::Column* netns = render::find_column("NETNS");
    if (std::ranges::find(columns, netns) != columns.end()) return;
    columns.insert(std::ranges::find(columns, render::find_column("PROCESS")), netns);
}

bool several_namespaces(const std::vector<render::SocketRow>& rows) {
    return std::ranges::any_of(rows, [&](const render::SocketRow& row) {
        return row.socket->netns != rows.front().socket->netns;
    });
}

void print_sockets(const SocketsOptions& options, SocketsRead& read, const render::Sink& sink) {
    if (options.format == Format::json)
        return render::sockets_json(read.rows, read.view, read.gaps, sink);
    if (options.format == Format::ndjson)
        return render::sockets_ndjson(read.rows, read.view, read.gaps, sink);
    auto columns = options.columns;
    if (options.netns_column && several_namespaces(read.rows)) add_netns_column(columns);
    render::sockets_table(read.rows, read.view, columns,
                          {options.headings, wants_color(options.color, options.output)}, sink);
}

void print_counts(const SocketsOptions& options, const SocketsRead& read,
                  const render::Sink& sink) {
    const auto counts =
        count_sockets(read.rows, read.view, options.count_by, options.persistent_after_s);
    if (options.format == Format::json)
        render::counts_json(counts, options.count_by, read.gaps, sink);
    else if (options.format == Format::ndjson)
        render::counts_ndjson(counts, options.count_by, read.gaps, sink);
    else
        render::counts_table(counts, options.count_by,
                             {options.headings, wants_color(options.color, options.output)}, sink);
}

// JSON contains the gaps. Within a table they would disturb programs that read its lines.
void tell_gaps(const std::vector<Gap>& gaps) {
    for (const Gap& gap : gaps)
        fmt::print(stderr, "connleak: {} {}: {} ({})\n", gap.source, printable(gap.scope),
                   printable(gap.effect), printable(gap.error));
}

}  // namespace

int sockets(const Arguments& arguments) {
    const auto options = parse_sockets_options(arguments);
    if (!options) return stop(options.error());
    const auto filter = parse_filter(options->filter, filter_names());
    if (!filter) return fail_at(options->filter, filter.error());

    const Wanted wanted = what_is_wanted(*options, *filter);
    SocketsRead read;
    read.view.timer = options->timer;
    read_sockets(*options, *filter, wanted, read);
    if (!read.any_table) {
        if (read.gaps.empty()) return fail(nothing_reported, "no network namespace can be read");
        return fail(nothing_reported,
                    fmt::format("--netns {}: {}: {}", printable(options->netns),
                                read.gaps.front().error, read.gaps.front().effect));
    }
    if (wanted.cgroups) name_cgroups(read.rows, read.view);
    constexpr std::chrono::seconds resolving_limit{5};
    if (options->resolve) resolve_names(read.rows, resolving_limit, read.view);
    for (const SortBy& sort : options->sort | std::views::reverse)
        render::sort_rows(read.rows, read.view, *sort.column, sort.descending);

    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    const render::Sink sink = [&](std::string_view text) { return output->write(text); };
    if (options->count_by.empty())
        print_sockets(*options, read, sink);
    else
        print_counts(*options, read, sink);
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());
    if (options->format == Format::table) tell_gaps(read.gaps);
    return made;
}

}  // namespace connleak::cli

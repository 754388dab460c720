// connleak what-if: the effect of a `timeout`, computed from the server's list and the verdicts.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/output.h"
#include "cli/report/progress.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "cli/what_if/options.h"
#include "cli/what_if/render.h"
#include "collect/run.h"
#include "diagnosis/model/printable.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
Nothing is set anywhere: the server's own list of clients tells what a `timeout` would do within the next
second. A living client that stays silent for longer is closed later: take the pause of your slowest client
into account.

Examples:
  connleak what-if                       a day, twelve hours, six, two and one
  connleak what-if :6379 --timeout 2h,30m

Exit status: 0 the answer is made, 2 bad usage, 3 no server told its clients.)";

std::optional<Stop> add_timeouts(std::string_view list, std::vector<std::int64_t>& timeouts_s) {
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const std::string_view text = list.substr(begin, end - begin);
        begin = end + 1;
        const auto seconds = parse_duration(text);
        if (!seconds)
            return Stop{usage_error,
                        fmt::format("--timeout: '{}' is no duration; write 30, 30s, 5m, 2h or 1d",
                                    printable(text))};
        if (*seconds == 0)
            return Stop{usage_error,
                        "--timeout: 0 closes nobody, it switches the timeout off; "
                        "write 1s or more"};
        if (std::ranges::find(timeouts_s, *seconds) == timeouts_s.end())
            timeouts_s.push_back(*seconds);
    }
    return std::nullopt;
}

}  // namespace

Command what_if_command() {
    return {.verb = "what-if",
            .usage = "connleak what-if",
            .intro =
                "Which clients a Redis `timeout`, or a `wait_timeout` of MySQL, would close, and "
                "which of them are alive.",
            .footer = std::string(examples),
            .options = joined({report_options(),
                               {{.names = "--timeout",
                                 .value_name = "TIME,...",
                                 .help = "Values to try, with commas ({default})",
                                 .kind = Kind::text,
                                 .default_value = "1d,12h,6h,2h,1h",
                                 .repeatable = true},
                                {.names = "--verify",
                                 .value_name = "",
                                 .help = "Prove first, as connleak verify does, who is alive"}},
                               proof_options("--verify"),
                               output_options(words_of({"table", "json"}))})};
}

std::expected<WhatIfOptions, Stop> parse_what_if_options(const Arguments& arguments) {
    const auto given = parse(what_if_command(), arguments);
    if (!given) return std::unexpected(given.error());
    WhatIfOptions options;
    take_output(*given, options);
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.verify = given->has("--verify");
    options.proof = proof_of(*given);
    for (const std::string& list : given->texts("--timeout"))
        if (auto stop = add_timeouts(list, options.timeouts_s)) return std::unexpected(*stop);
    return options;
}

int what_if(const Arguments& arguments) {
    const auto options = parse_what_if_options(arguments);
    if (!options) return stop(options.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());
    if (options->verify && prove_shown(**run, false, options->proof).interrupted)
        return fail(nothing_reported, "interrupted before all was verified");
    const Sample& sample = (*run)->sample();
    const auto answers = connleak::what_if(sample, (*run)->report(), options->timeouts_s);

    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    const render::Sink sink = [&](std::string_view text) { return output->write(text); };
    if (options->format == Format::json)
        render::what_if_json((*run)->facts(), sample, answers, sink);
    else
        sink(render::what_if_table(sample, answers, wants_color(options->color, options->output)));
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());
    if (answers.empty())
        return fail(nothing_reported,
                    sample.servers.empty()
                        ? no_server_text() + " in sight; name one as a TARGET"
                        : "no server told its clients: a timeout's effect is not known");
    return made;
}

}  // namespace connleak::cli

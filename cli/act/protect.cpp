// connleak protect: turns keepalive on for existing sockets.
#include <algorithm>

#include "actions/protect.h"
#include "cli/act/options.h"
#include "cli/act/render.h"
#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"
#include "collect/stop_signals.h"
#include "diagnosis/model/server_family.h"
#include "probes/liveness/borrowed_socket.h"

namespace connleak::cli {

namespace {

constexpr std::string_view protect_examples = R"(
A setting of the server reaches new connections only. This turns keepalive on for the sockets that are there
already, as the server itself does: from then on the kernel removes the dead by itself, and only the dead.

Examples:
  connleak protect :6379                  the plan; nothing is changed
  connleak protect :6379 --yes            every socket that lacks it
  connleak protect :6379 --server --yes   and tcp-keepalive on the server, for new connections
  connleak protect tcp://:9092 --keepalive 10m --yes

Exit status: 0 done, or nothing to do; 1 some could not be reached, 2 bad usage, 3 nothing could be done.)";

}  // namespace

Command protect_command() {
    return {
        .verb = "protect",
        .usage = "connleak protect",
        .intro = "Turns keepalive on for the existing sockets that lack it.",
        .footer = std::string(protect_examples),
        .options = joined(
            {report_options(),
             {{.names = "--yes", .value_name = "", .help = "Do it; without this the plan is shown"},
              {.names = "--keepalive",
               .value_name = "TIME",
               .help = "Silence before the kernel asks the peer (the server's tcp-keepalive, "
                       "else 300)",
               .kind = Kind::duration,
               .least = 1,
               .most = probes::longest_keepalive_s,
               .range = "1s to 9h (32767 s at most)"},
              {.names = "--server",
               .value_name = "",
               .help = "Also CONFIG SET tcp-keepalive where the server has it off"},
              {.names = "--rate",
               .value_name = "N",
               .help = "Sockets a second, so that probes do not burst ({default})",
               .kind = Kind::number,
               .default_value = "2000",
               .least = 1,
               .most = 1'000'000}},
             output_options(words_of({"table", "json"}))})};
}

std::expected<ProtectOptions, Stop> parse_protect_options(const Arguments& arguments) {
    const auto given = parse(protect_command(), arguments);
    if (!given) return std::unexpected(given.error());
    ProtectOptions options;
    take_output(*given, options);
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.yes = given->has("--yes");
    if (given->has("--keepalive")) options.keepalive_s = given->seconds("--keepalive");
    options.server = given->has("--server");
    options.rate = given->number("--rate");
    return options;
}

int protect(const Arguments& arguments) {
    const auto options = parse_protect_options(arguments);
    if (!options) return stop(options.error());
    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());
    const Sample& sample = (*run)->sample();
    const Report& report = (*run)->report();

    Plan plan = plan_protect(sample, report);
    actions::look_into_unknown(sample, plan);
    render::Acts acts{
        .report = report, .plan = plan, .acted = options->yes, .keepalive_s = options->keepalive_s};
    acts.settings = settings_to_change(sample, options->keepalive_s, options->server);
    if (options->yes) {
        const collect::StopSignals signals;
        actions::protect_sockets(sample, plan, options->keepalive_s, options->rate);
        acts.interrupted = collect::StopSignals::asked();
        if (!acts.interrupted) actions::change_settings(sample, acts.settings);
    }
    acts.coverage = coverage(sample, report, plan);
    if (options->format == Format::json)
        render::protect_json((*run)->facts(), sample, acts,
                             [&](std::string_view text) { return output->write(text); });
    else
        output->write(
            render::protect_table(sample, acts, wants_color(options->color, options->output)));
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());
    if (sample.servers.empty())
        return fail(nothing_reported, no_server_text() + " in sight; name one as a TARGET");
    const bool unset = std::ranges::any_of(
        acts.settings, [](const ServerSetting& each) { return each.outcome == Outcome::failed; });
    const int status = status_of(plan, acts.interrupted);
    return status == made && unset ? found_something : status;
}

}  // namespace connleak::cli

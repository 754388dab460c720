// connleak reap: removes ghosts, each after a recheck.
#include "actions/reap.h"
#include "cli/act/options.h"
#include "cli/act/render.h"
#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/output.h"
#include "cli/report/progress.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"
#include "collect/stop_signals.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

namespace {

constexpr std::string_view reap_examples = R"(
Only what `connleak scan` (with --verify: `connleak verify`) calls a ghost is removed. Each is looked at again right
before: one that has changed since is left alone.

Examples:
  connleak reap :6379                    the plan; nothing is changed
  connleak reap :6379 --yes              removes the ghosts
  connleak reap :6379 --verify --yes     proves who is dead among those out of sight, too
  connleak reap :6379 --max 100 --yes    the hundred that have been silent for longest

Exit status: 0 done, or nothing to do; 1 some could not be removed, 2 bad usage, 3 nothing could be done.)";

}  // namespace

Command reap_command() {
    return {
        .verb = "reap",
        .usage = "connleak reap",
        .intro = "Removes ghosts: connections that the server holds and the client's host has not.",
        .footer = std::string(reap_examples),
        .options = joined(
            {report_options(),
             {{.names = "--yes", .value_name = "", .help = "Do it; without this the plan is shown"},
              {.names = "--method",
               .value_name = "METHOD",
               .help = "{words}: kill by CLIENT KILL ID, destroy in the server's kernel, which "
                       "needs no login ({default})",
               .kind = Kind::choice,
               .default_value = "auto",
               .words = words_of({"auto", "kill", "destroy"})},
              {.names = "--max",
               .value_name = "N",
               .help = "No more than N, the longest silent first",
               .kind = Kind::number,
               .least = 1,
               .most = 1'000'000'000},
              {.names = "--verify",
               .value_name = "",
               .help = "Prove first, as connleak verify does, what no table shows"}},
             proof_options("--verify"),
             output_options(words_of({"table", "json"}))})};
}

std::expected<ReapOptions, Stop> parse_reap_options(const Arguments& arguments) {
    const auto given = parse(reap_command(), arguments);
    if (!given) return std::unexpected(given.error());
    ReapOptions options;
    take_output(*given, options);
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.proof = proof_of(*given);
    options.yes = given->has("--yes");
    options.verify = given->has("--verify");
    if (given->text("--method") == "kill") options.method = MethodChoice::kill;
    if (given->text("--method") == "destroy") options.method = MethodChoice::destroy;
    if (given->has("--max")) options.most = static_cast<std::uint64_t>(given->number("--max"));
    return options;
}

int reap(const Arguments& arguments) {
    const auto options = parse_reap_options(arguments);
    if (!options) return stop(options.error());
    // Opened before anything is closed, so that every action can be reported.
    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    const auto run = begin(*options);
    if (!run) return stop(run.error());
    collect::ProofEnd proof;
    if (options->verify) proof = prove_shown(**run, false, options->proof);
    const auto seen_at = std::chrono::steady_clock::now();
    const Sample& sample = (*run)->sample();

    Plan plan = plan_reap(sample, (*run)->report(), options->method, options->most);
    render::Acts acts{
        .report = (*run)->report(), .plan = plan, .acted = options->yes && !proof.interrupted};
    acts.interrupted = proof.interrupted;
    if (options->yes && !proof.interrupted) {
        const collect::StopSignals signals;
        actions::Reaper(**run, options->method, seen_at).run(plan);
        acts.interrupted = collect::StopSignals::asked();
    }
    if (options->format == Format::json)
        render::reap_json((*run)->facts(), sample, acts,
                          [&](std::string_view text) { return output->write(text); });
    else
        output->write(
            render::reap_table(sample, acts, wants_color(options->color, options->output)));
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());
    if (sample.servers.empty())
        return fail(nothing_reported, no_server_text() + " in sight; name one as a TARGET");
    return status_of(plan, acts.interrupted);
}

}  // namespace connleak::cli

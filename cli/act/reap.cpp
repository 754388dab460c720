// connleak reap: removes ghosts, each after another look.
#include "actions/reap.h"
#include "cli/act/reap_options.h"
#include "cli/act/render.h"
#include "cli/output.h"
#include "cli/report/progress.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"
#include "collect/stop_signals.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

int reap(const Words& words) {
    const auto options = parse_reap_options(words);
    if (!options) return stop(options.error());
    // Before anything is closed: whoever does it must be able to tell of it.
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
        actions::Reaper((*run)->session(), options->method, seen_at).run(plan);
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

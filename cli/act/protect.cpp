// connleak protect: turns keepalive on for the sockets that are there already.
#include <algorithm>

#include "actions/protect.h"
#include "cli/act/protect_options.h"
#include "cli/act/render.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"
#include "collect/stop_signals.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

int protect(const Words& words) {
    const auto options = parse_protect_options(words);
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
        if (!acts.interrupted) actions::change_settings((*run)->session(), acts.settings);
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

// connleak what-if: what a `timeout` would do, told from the server's list and the verdicts.
#include "cli/what_if/render.h"

#include "cli/output.h"
#include "cli/report/progress.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "cli/what_if/options.h"
#include "collect/run.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

int what_if(const Words& words) {
    const auto options = parse_what_if_options(words);
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

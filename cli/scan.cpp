// connleak scan: the report. Collects, diagnoses, renders.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/output.h"
#include "cli/render/json.h"
#include "cli/render/ndjson.h"
#include "cli/render/prometheus.h"
#include "cli/render/table.h"
#include "cli/run.h"
#include "cli/scan_options.h"
#include "cli/status.h"
#include "cli/verbs.h"

namespace connleak::cli {

namespace {

render::TableStyle table_style(const ScanOptions& options) {
    render::TableStyle style;
    style.connections = options.connections;
    const bool to_terminal = options.output.empty() && ::isatty(STDOUT_FILENO) == 1;
    style.color = wants_color(options.color, options.output);
    winsize size{};
    if (to_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        style.columns = size.ws_col;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
    } else if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
        style.columns = static_cast<std::size_t>(std::strtoul(columns, nullptr, 10));
    }
    return style;
}

}  // namespace

int scan(const Words& words) {
    const auto options = parse_scan_options(words);
    if (!options) return stop(options.error());
    const auto run = Run::make(*options);
    if (!run) return stop(run.error());
    const Sample& sample = (*run)->sample();
    const Report& report = (*run)->report();

    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    const render::Sink sink = [&](std::string_view text) { return output->write(text); };
    switch (options->format) {
        case Format::table:
            sink(render::to_table(sample, report, table_style(*options)));
            break;
        case Format::json:
            render::to_json((*run)->head(), sample, report, sink);
            break;
        case Format::ndjson:
            render::to_ndjson((*run)->head(), sample, report, sink);
            break;
        case Format::prometheus:
            sink(render::to_prometheus((*run)->head(), sample, report));
            break;
    }
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());

    if (options->exit_code) {
        for (const Finding& finding : report.findings)
            if (finding.severity != Severity::ok) return found_something;
    }
    return made;
}

}  // namespace connleak::cli

#include "cli/report/write_report.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/output.h"
#include "cli/report/json.h"
#include "cli/report/ndjson.h"
#include "cli/report/prometheus.h"
#include "cli/report/table.h"

namespace connleak::cli {

namespace {

render::TableStyle table_style(const Options& options, bool connections) {
    render::TableStyle style;
    style.connections = connections;
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

std::expected<void, std::string> write_report(const collect::Run& run, const Options& options,
                                              bool connections) {
    auto output = Output::open(options.output);
    if (!output) return std::unexpected(output.error());
    const render::Sink sink = [&](std::string_view text) { return output->write(text); };
    switch (options.format) {
        case Format::table:
            sink(render::to_table(run.sample(), run.report(), table_style(options, connections)));
            break;
        case Format::json:
            render::to_json(run.facts(), run.sample(), run.report(), sink);
            break;
        case Format::ndjson:
            render::to_ndjson(run.facts(), run.sample(), run.report(), sink);
            break;
        case Format::prometheus:
            sink(render::to_prometheus(run.facts(), run.sample(), run.report()));
            break;
    }
    return output->finish();
}

}  // namespace connleak::cli

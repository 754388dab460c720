// connleak snapshot: this host's side as one document. Reads and prints; nothing is concluded, and
// no server is asked.
#include "cli/snapshot/write.h"

#include <fmt/format.h>

#include "cli/output.h"
#include "cli/snapshot/options.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/snapshot/read.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

int snapshot(const Words& words) {
    const auto options = parse_snapshot_options(words);
    if (!options) return stop(options.error());
    const collect::SnapshotRead read = collect::read_snapshot(*options);
    if (!read.any_table) {
        const std::string why =
            read.gaps.empty() ? "no socket table can be read"
                              : fmt::format("--netns {}: {}: {}", printable(options->netns),
                                            read.gaps.front().error, read.gaps.front().effect);
        return fail(nothing_reported, why);
    }
    auto output = Output::open(options->output);
    if (!output) return fail(nothing_reported, output.error());
    render::snapshot_json(read, options->ports,
                          [&](std::string_view text) { return output->write(text); });
    if (const auto written = output->finish(); !written)
        return fail(nothing_reported, written.error());
    return made;
}

}  // namespace connleak::cli

// connleak snapshot: this host's side as one document. It only reads and prints: it draws no
// conclusions and asks no server.
#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/output.h"
#include "cli/snapshot/write.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/snapshot/read.h"
#include "diagnosis/model/printable.h"

#include <fmt/format.h>

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
Examples:
  connleak snapshot --output /srv/snapshots/$(hostname).json
  ssh web1 connleak snapshot | connleak scan --peer-snapshot -
  connleak scan --peer-snapshot /srv/snapshots

Exit status: 0 the snapshot is made, 2 bad usage, 3 nothing could be read.)";

struct SnapshotOptions : collect::SnapshotRequest {
    std::string output;  // "" for stdout
};

std::expected<SnapshotOptions, Stop> parse_options(const Arguments& arguments) {
    const auto given = parse(snapshot_command(), arguments);
    if (!given) return std::unexpected(given.error());
    SnapshotOptions options;
    options.ports = given->ports("--port");
    options.netns = given->text("--netns");
    options.output = given->text("--output");
    return options;
}

}  // namespace

Command snapshot_command() {
    return {
        .verb = "snapshot",
        .usage = "connleak snapshot",
        .intro = "This host's side as one JSON document, for --peer-snapshot of a scan elsewhere.",
        .footer = std::string(examples),
        .options = {port_option("Only sockets with this port at either end (repeatable); from "
                                "such a snapshot nobody's absence can be told",
                                Group::own),
                    netns_option(), output_option()}};
}

int snapshot(const Arguments& arguments) {
    const auto options = parse_options(arguments);
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

#include "cli/snapshot/options.h"

#include "cli/options/shared.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
Examples:
  connleak snapshot --output /srv/snapshots/$(hostname).json
  ssh web1 connleak snapshot | connleak scan --peer-snapshot -
  connleak scan --peer-snapshot /srv/snapshots

Exit status: 0 the snapshot is made, 2 bad usage, 3 nothing could be read.)";

}  // namespace

std::expected<SnapshotOptions, Stop> parse_snapshot_options(const std::vector<std::string>& words) {
    SnapshotOptions options;
    CLI::App app{"This host's side as one JSON document, for --peer-snapshot of a scan elsewhere.",
                 "connleak snapshot"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");
    app.add_option("--port", options.ports,
                   "Only sockets with this port at either end (repeatable); from such a snapshot "
                   "nobody's absence can be told")
        ->type_name("N")
        ->allow_extra_args(false)
        ->check(CLI::Range(1, 65535));
    app.add_option("--netns", options.netns, "Network namespaces: all, self, a NAME or a PID")
        ->type_name("WHICH");
    app.add_option("--output", options.output, "Write to FILE, at once and whole")
        ->type_name("FILE");
    if (auto stop = parse_words(app, words, "connleak snapshot --help"))
        return std::unexpected(*stop);
    return options;
}

}  // namespace connleak::cli

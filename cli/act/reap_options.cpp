#include "cli/act/reap_options.h"

#include <string_view>

#include "cli/options/proof.h"
#include "cli/options/report.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
Only what `connleak scan` (with --verify: `connleak verify`) calls a ghost is removed. Each is looked at again right
before: one that has changed since is left alone.

Examples:
  connleak reap :6379                    the plan; nothing is changed
  connleak reap :6379 --yes              removes the ghosts
  connleak reap :6379 --verify --yes     proves who is dead among those out of sight, too
  connleak reap :6379 --max 100 --yes    the hundred that have been silent for longest

Exit status: 0 done, or nothing to do; 1 some could not be removed, 2 bad usage, 3 nothing could be done.)";

}  // namespace

std::expected<ReapOptions, Stop> parse_reap_options(const std::vector<std::string>& words) {
    ReapOptions options;
    CLI::App app{"Removes ghosts: connections that the server holds and the client's host has not.",
                 "connleak reap"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");
    const ReportOptions report(app);
    app.add_flag("--yes", options.yes, "Do it; without this the plan is shown")
        ->disable_flag_override();
    std::string method = "auto";
    app.add_option("--method", method,
                   "auto, kill or destroy: kill by CLIENT KILL ID, destroy in the server's kernel, "
                   "which needs no login (auto)")
        ->type_name("METHOD")
        ->check(CLI::IsMember({"auto", "kill", "destroy"}));
    std::int64_t most = 0;
    const auto* max = app.add_option("--max", most, "No more than N, the longest silent first")
                          ->type_name("N")
                          ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
    auto* verify = app.add_flag("--verify", options.verify,
                                "Prove first, as connleak verify does, what no table shows");
    const ProofWords proof(app, verify);
    const SharedOptions shared(app, {"table", "json"});
    if (auto stop = parse_words(app, words, "connleak reap --help")) return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    if (auto stop = proof.fill(options.proof)) return std::unexpected(*stop);
    if (method == "kill") options.method = MethodChoice::kill;
    if (method == "destroy") options.method = MethodChoice::destroy;
    if (max->count() > 0) options.most = static_cast<std::uint64_t>(most);
    return options;
}

}  // namespace connleak::cli

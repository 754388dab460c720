#include "cli/what_if/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/options/proof.h"
#include "cli/options/report.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

constexpr std::string_view examples = R"(
Nothing is set anywhere: the server's own list of clients tells what a `timeout` would do within the next
second. A living client that stays silent for longer is closed later: take the pause of your slowest client
into account.

Examples:
  connleak what-if                       a day, twelve hours, six, two and one
  connleak what-if :6379 --timeout 2h,30m

Exit status: 0 the answer is made, 2 bad usage, 3 no server told its clients.)";

std::optional<Stop> add_timeouts(std::string_view list, std::vector<std::int64_t>& timeouts_s) {
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const std::string_view text = list.substr(begin, end - begin);
        begin = end + 1;
        const auto seconds = parse_duration(text);
        if (!seconds)
            return Stop{usage_error,
                        fmt::format("--timeout: '{}' is no duration; write 30, 30s, 5m, 2h or 1d",
                                    printable(text))};
        if (*seconds == 0)
            return Stop{usage_error,
                        "--timeout: 0 closes nobody, it switches the timeout off; "
                        "write 1s or more"};
        if (std::ranges::find(timeouts_s, *seconds) == timeouts_s.end())
            timeouts_s.push_back(*seconds);
    }
    return std::nullopt;
}

}  // namespace

std::expected<WhatIfOptions, Stop> parse_what_if_options(const std::vector<std::string>& words) {
    WhatIfOptions options;
    CLI::App app{
        "Which clients a Redis `timeout`, or a `wait_timeout` of MySQL, would close, and which of "
        "them are alive.",
        "connleak what-if"};
    app.footer(std::string(examples));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");
    const ReportOptions report(app);
    std::vector<std::string> timeouts;
    app.add_option("--timeout", timeouts, "Values to try, with commas (1d,12h,6h,2h,1h)")
        ->type_name("TIME,...")
        ->allow_extra_args(false);
    auto* verify = app.add_flag("--verify", options.verify,
                                "Prove first, as connleak verify does, who is alive");
    const ProofWords proof(app, verify);
    const SharedOptions shared(app, {"table", "json"});
    if (auto stop = parse_words(app, words, "connleak what-if --help"))
        return std::unexpected(*stop);
    shared.fill(options);
    if (auto stop = report.fill(options)) return std::unexpected(*stop);
    if (auto stop = proof.fill(options.proof)) return std::unexpected(*stop);
    if (timeouts.empty()) timeouts.emplace_back("1d,12h,6h,2h,1h");
    for (const std::string& list : timeouts)
        if (auto stop = add_timeouts(list, options.timeouts_s)) return std::unexpected(*stop);
    return options;
}

}  // namespace connleak::cli

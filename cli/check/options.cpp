#include "cli/check/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/options/report.h"
#include "cli/options/target.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

constexpr std::string_view more_help = R"(
Metrics: {}.
Once one is named by -w or -c, only the metrics named are judged. Ranges alert as in the Monitoring Plugins:
  10  outside of 0 to 10    10:  below 10    ~:10  above 10    10:20  outside    @10:20  inside

Without -w and -c:
{}
A server that refuses clients or cannot be reached is CRITICAL in any case.

TARGETs are those of connleak scan. Without one, all that connleak finds on this host is checked.

Examples:
  connleak check                                        this host
  connleak check -H 10.0.0.5 -w ghosts=0 -c ghosts=100  one server
  connleak check --quiet                                for cron: silent while all is well
  connleak check --state /var/lib/connleak/state        leaks of groups of processes, too

The password comes from REDISCLI_AUTH, --pass-file or --askpass, never from the command line.
Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also for bad usage and for this help.)";

std::string metric_names() {
    std::string names;
    for (std::size_t at = 0; at < metric_count; ++at)
        names += fmt::format("{}{}", at == 0 ? "" : " ", word(static_cast<Metric>(at)));
    return names;
}

std::string default_lines() {
    const Rules rules = default_rules();
    std::string lines;
    for (std::size_t at = 0; at < metric_count; ++at) {
        const auto metric = static_cast<Metric>(at);
        const Thresholds& its = rules[metric];
        if (!rules.judges(metric)) continue;
        lines += fmt::format("  {:22}", word(metric));
        lines += fmt::format("-w {}", its.warning->text());
        if (its.critical) lines += fmt::format(" -c {}", its.critical->text());
        lines += '\n';
    }
    return lines;
}

// "ghosts=0" into the rules; what is wrong with it, if anything is.
std::optional<std::string> take(const std::string& text, const char* option,
                                std::optional<Range> Thresholds::*which, Rules& rules) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return fmt::format("{} '{}': write METRIC=RANGE, as in {} ghosts=0", option,
                           printable(text), option);
    const auto metric = parse_metric(std::string_view(text).substr(0, equals));
    if (!metric)
        return fmt::format("{}: unknown metric '{}'; there are {}", option,
                           printable(text.substr(0, equals)), metric_names());
    const auto range = parse_range(std::string_view(text).substr(equals + 1));
    if (!range)
        return fmt::format("{} {}: the range '{}' {}", option, word(*metric),
                           printable(text.substr(equals + 1)), range.error());
    rules[*metric].*which = *range;
    return std::nullopt;
}

// -H and -p as a TARGET.
std::string target_of(const std::string& host, std::uint16_t port) {
    const bool bare_ipv6 = Address::parse(host) && host.contains(':');
    return fmt::format("{}:{}", bare_ipv6 ? '[' + host + ']' : host, port);
}

Stop wrong(std::string text) {
    return {usage_error, std::move(text)};
}

}  // namespace

std::expected<CheckOptions, Stop> parse_check_options(const std::vector<std::string>& words) {
    CheckOptions options;
    CLI::App app{"Health check for cron and monitoring, after the Monitoring Plugins' conventions.",
                 "connleak check"};
    app.footer(fmt::format(fmt::runtime(more_help), metric_names(), default_lines()));
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    const ReportOptions report(app);
    std::vector<std::string> warnings;
    std::vector<std::string> criticals;
    std::string host;
    std::uint16_t port = 0;
    std::string timeout = "10s";
    app.add_option("-w,--warning", warnings, "WARNING when outside (repeatable)")
        ->type_name("METRIC=RANGE")
        ->allow_extra_args(false);
    app.add_option("-c,--critical", criticals, "CRITICAL when outside (repeatable)")
        ->type_name("METRIC=RANGE")
        ->allow_extra_args(false);
    auto* host_option =
        app.add_option("-H,--hostname", host, "The server's host")->type_name("HOST");
    auto* port_option = app.add_option("-p", port, "Its port (6379); alone: that port of this host")
                            ->type_name("PORT")
                            ->check(CLI::Range(1, 65535));
    app.add_option("-t,--timeout", timeout, "For the whole run (10s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_flag("-v,--verbose", options.verbosity, "Each metric as well; twice: the whole report");
    app.add_flag("-q,--quiet", options.quiet, "Print nothing when all is OK");
    app.add_flag("--strict", options.rules.strict,
                 "UNKNOWN when a judged metric was not seen whole");
    auto* state =
        app.add_option("--state", options.state, "Remember counts in FILE, for group_growth")
            ->type_name("FILE");
    app.add_option("--netns", options.netns, "Network namespaces: all, self, a NAME or a PID")
        ->type_name("WHICH");
    app.add_flag("-V,--version", options.version, "Print the version");
    if (auto stop = parse_words(app, words, "connleak check --help")) return std::unexpected(*stop);
    if (options.version) return options;
    if (auto stop = report.fill(options)) return std::unexpected(*stop);

    if (!state->empty() && options.state.empty())
        return std::unexpected(wrong("--state: the file's name is missing"));
    const std::int64_t timeout_s = *parse_duration(timeout);
    if (timeout_s == 0 || timeout_s > 3600)
        return std::unexpected(wrong("--timeout: write a time from 1s to 1h"));
    options.timeout = std::chrono::seconds(timeout_s);
    // Asking one server takes at most four times it; what is left of the run is for everything
    // else.
    options.connect_timeout = std::min<std::chrono::milliseconds>(
        options.connect_timeout, std::chrono::milliseconds(options.timeout) / 5);

    if (!host_option->empty() || !port_option->empty()) {
        if (!host_option->empty() && host.empty())
            return std::unexpected(wrong("-H: the host is missing"));
        std::vector<std::uint16_t> ports = std::exchange(options.ports, {});
        if (!port_option->empty()) ports.insert(ports.begin(), port);
        if (ports.empty()) ports.push_back(6379);
        for (const std::uint16_t each : ports) {
            auto target = parse_target(target_of(host, each));
            if (!target) return std::unexpected(wrong("-H: " + target.error()));
            target->user = options.user;
            options.targets.push_back(std::move(*target));
        }
    }

    options.rules.named = !warnings.empty() || !criticals.empty();
    if (!options.rules.named) {
        options.rules.of = default_rules().of;
        if (options.state.empty()) options.rules[Metric::group_growth] = {};
        return options;
    }
    for (const std::string& text : warnings)
        if (auto error = take(text, "-w", &Thresholds::warning, options.rules))
            return std::unexpected(wrong(*error));
    for (const std::string& text : criticals)
        if (auto error = take(text, "-c", &Thresholds::critical, options.rules))
            return std::unexpected(wrong(*error));
    if (options.rules.judges(Metric::group_growth) && options.state.empty())
        return std::unexpected(wrong("group_growth compares with earlier runs: give --state FILE"));
    return options;
}

}  // namespace connleak::cli

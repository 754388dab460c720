#include "cli/check/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/options/common.h"
#include "cli/options/parser.h"
#include "cli/options/target.h"
#include "diagnosis/model/printable.h"
#include "diagnosis/model/server_family.h"

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
        names += fmt::format("{}{}", at == 0 ? "" : " ", to_string(static_cast<Metric>(at)));
    return names;
}

std::string default_lines() {
    const Rules rules = default_rules();
    std::string lines;
    for (std::size_t at = 0; at < metric_count; ++at) {
        const auto metric = static_cast<Metric>(at);
        const Thresholds& its = rules[metric];
        if (!rules.judges(metric)) continue;
        lines += fmt::format("  {:22}", to_string(metric));
        lines += fmt::format("-w {}", its.warning->text());
        if (its.critical) lines += fmt::format(" -c {}", its.critical->text());
        lines += '\n';
    }
    return lines;
}

// Parses "ghosts=0" into the rules; returns the error, if any.
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
        return fmt::format("{} {}: the range '{}' {}", option, to_string(*metric),
                           printable(text.substr(equals + 1)), range.error());
    rules[*metric].*which = *range;
    return std::nullopt;
}

// Converts -H and -p to a TARGET.
std::string target_of(const std::string& host, std::uint16_t port) {
    const bool bare_ipv6 = Address::parse(host) && host.contains(':');
    return fmt::format("{}:{}", bare_ipv6 ? '[' + host + ']' : host, port);
}

Stop wrong(std::string text) {
    return {usage_error, std::move(text)};
}

}  // namespace

Command check_command() {
    std::vector<Word> metrics;
    metrics.reserve(metric_count);
    for (std::size_t at = 0; at < metric_count; ++at)
        metrics.push_back({std::string(to_string(static_cast<Metric>(at)))});
    const auto rule = [&](std::string names, std::string help) -> Option {
        return {.names = std::move(names),
                .value_name = "METRIC=RANGE",
                .help = std::move(help),
                .kind = Kind::rule,
                .repeatable = true,
                .words = metrics};
    };
    return {
        .verb = "check",
        .usage = "connleak check",
        .intro = "Health check for cron and monitoring, after the Monitoring Plugins' conventions.",
        .footer = fmt::format(fmt::runtime(more_help), metric_names(), default_lines()),
        .options = joined(
            {report_options(),
             {rule("-w,--warning", "WARNING when outside (repeatable)"),
              rule("-c,--critical", "CRITICAL when outside (repeatable)"),
              {.names = "-H,--hostname",
               .value_name = "HOST",
               .help = "The server's host",
               .kind = Kind::text},
              {.names = "-p",
               .value_name = "PORT",
               .help = "Its port ({default}); alone: that port of this host",
               .kind = Kind::number,
               .default_value = std::to_string(usual_ports().front()),
               .least = 1,
               .most = 65535},
              {.names = "-t,--timeout",
               .value_name = "TIME",
               .help = "For the whole run ({default})",
               .kind = Kind::duration,
               .default_value = "10s",
               .least = 1,
               .most = 3600,
               .range = "1s to 1h"},
              {.names = "-v,--verbose",
               .value_name = "",
               .help = "Each metric as well; twice: the whole report"},
              {.names = "-q,--quiet", .value_name = "", .help = "Print nothing when all is OK"},
              {.names = "--strict",
               .value_name = "",
               .help = "UNKNOWN when a judged metric was not seen whole"},
              {.names = "--state",
               .value_name = "FILE",
               .help = "Remember counts in FILE, for group_growth",
               .kind = Kind::file},
              netns_option(),
              {.names = "-V,--version", .value_name = "", .help = "Print the version"}}})};
}

std::expected<CheckOptions, Stop> parse_check_options(const Arguments& arguments) {
    const auto given = parse(check_command(), arguments);
    if (!given) return std::unexpected(given.error());
    CheckOptions options;
    options.version = given->has("--version");
    if (options.version) return options;
    if (auto stop = take_report(*given, options)) return std::unexpected(*stop);
    options.netns = given->text("--netns");
    options.state = given->text("--state");
    options.verbosity = given->count("--verbose");
    options.quiet = given->has("--quiet");
    options.rules.strict = given->has("--strict");
    options.timeout = std::chrono::seconds(given->seconds("--timeout"));

    if (given->has("--state") && options.state.empty())
        return std::unexpected(wrong("--state: the file's name is missing"));
    // Asking one server takes at most four times this timeout; the rest of the run's time is for
    // everything else.
    options.connect_timeout = std::min<std::chrono::milliseconds>(
        options.connect_timeout, std::chrono::milliseconds(options.timeout) / 5);

    const std::string host = given->text("--hostname");
    if (given->has("--hostname") || given->has("-p")) {
        if (given->has("--hostname") && host.empty())
            return std::unexpected(wrong("-H: the host is missing"));
        // With -H, --port is that host's port.
        std::vector<std::uint16_t> ports = given->ports("-p");
        if (!given->has("-p") && !options.ports.empty()) ports.clear();
        ports.insert(ports.end(), options.ports.begin(), options.ports.end());
        options.ports.clear();
        for (const std::uint16_t each : ports) {
            auto target = parse_target(target_of(host, each));
            if (!target) return std::unexpected(wrong("-H: " + target.error()));
            target->user = options.user;
            options.targets.push_back(std::move(*target));
        }
    }

    const std::vector<std::string>& warnings = given->texts("--warning");
    const std::vector<std::string>& criticals = given->texts("--critical");
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

#include "cli/options/common.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "cli/options/target.h"
#include "cli/options/tls.h"

namespace connleak::cli {

namespace {

Option login_option(std::string names, std::string value_name, std::string help, Kind kind) {
    return {.names = std::move(names),
            .value_name = std::move(value_name),
            .help = std::move(help),
            .kind = kind,
            .group = Group::common};
}

}  // namespace

Option port_option(std::string help, Group group) {
    return {.names = "--port",
            .value_name = "N",
            .help = std::move(help),
            .kind = Kind::number,
            .group = group,
            .repeatable = true,
            .least = 1,
            .most = 65535};
}

Option netns_option(std::string names) {
    return {.names = std::move(names),
            .value_name = "WHICH",
            .help = "Network namespaces: {default}, self, a NAME or a PID",
            .kind = Kind::netns,
            .group = Group::common,
            .default_value = "all"};
}

Option output_option() {
    return {.names = "--output",
            .value_name = "FILE",
            .help = "Write to FILE, at once and whole",
            .kind = Kind::file,
            .group = Group::common};
}

Option persistent_after_option(std::string help) {
    return {.names = "--persistent-after",
            .value_name = "TIME",
            .help = std::move(help),
            .kind = Kind::duration,
            .group = Group::common,
            .default_value = "60s"};
}

std::vector<Option> output_options(std::vector<Word> formats, const std::string& netns_names) {
    const std::string first = formats.front().text;
    return {{.names = "--format",
             .value_name = "FORMAT",
             .help = "{words}",
             .kind = Kind::choice,
             .group = Group::common,
             .default_value = first,
             .words = std::move(formats)},
            {.names = "--json",
             .value_name = "",
             .help = "The same as --format json",
             .group = Group::common,
             .excludes = "--format"},
            output_option(),
            {.names = "--color",
             .value_name = "WHEN",
             .help = "{words}",
             .kind = Kind::choice,
             .group = Group::common,
             .default_value = "auto",
             .words = words_of({"auto", "always", "never"})},
            netns_option(netns_names)};
}

Format format_of(const Given& given) {
    const std::string format = given.text("--format");
    if (given.has("--json") || format == "json") return Format::json;
    if (format == "prometheus") return Format::prometheus;
    return format == "ndjson" ? Format::ndjson : Format::table;
}

When color_of(const Given& given) {
    const std::string color = given.text("--color");
    if (color == "always") return When::always;
    return color == "never" ? When::never : When::automatic;
}

std::vector<Option> report_options() {
    return joined(
        {{{.names = "TARGET",
           .value_name = "",
           .help = "Servers to look at (default: those found)",
           .kind = Kind::text,
           .group = Group::common,
           .repeatable = true},
          port_option("Look at this port as well as 6379 and 3306 (repeatable)"),
          {.names = "--recent",
           .value_name = "TIME",
           .help = "A peer heard within this time is alive ({default})",
           .kind = Kind::duration,
           .group = Group::common,
           .default_value = "60s"},
          persistent_after_option(
              "A client's connection older than this is persistent ({default})"),
          {.names = "--connect-timeout",
           .value_name = "TIME",
           .help =
               "For each step of asking a server ({default}); the whole takes at most 4 times it",
           .kind = Kind::duration,
           .group = Group::common,
           .default_value = "3s",
           .least = 1,
           .most = 3600,
           .range = "1s to 1h"},
          login_option("--user", "NAME", "User to log in as (Redis's ACL, MySQL)", Kind::text),
          login_option("--askpass", "", "Ask for the password on the terminal", Kind::flag),
          {.names = "--pass-file",
           .value_name = "FILE",
           .help = "Read the password from FILE's first line",
           .kind = Kind::file,
           .group = Group::common,
           .excludes = "--askpass"},
          login_option("--defaults-file", "FILE",
                       "MySQL's option file to read in place of the usual ones (~/.my.cnf)",
                       Kind::file),
          {.names = "--peer-snapshot",
           .value_name = "FILE",
           .help = "Another host's snapshot, a folder of them, or - (repeatable)",
           .kind = Kind::file,
           .group = Group::common,
           .repeatable = true}},
         tls_options()});
}

std::optional<Stop> take_report(const Given& given, Options& options) {
    options.ports = given.ports("--port");
    options.user = given.text("--user");
    options.ask_password = given.has("--askpass");
    options.password_file = given.text("--pass-file");
    options.defaults_file = given.text("--defaults-file");
    options.peer_snapshots = given.texts("--peer-snapshot");
    options.recent_s = given.seconds("--recent");
    options.persistent_after_s = given.seconds("--persistent-after");
    options.connect_timeout = std::chrono::seconds(given.seconds("--connect-timeout"));
    for (const std::string& text : given.texts("TARGET")) {
        auto target = parse_target(text);
        if (!target) return Stop{usage_error, target.error()};
        if (target->user.empty()) target->user = options.user;
        options.targets.push_back(std::move(*target));
    }
    return take_tls(given, options);
}

Option connections_option() {
    return {.names = "--connections",
            .value_name = "",
            .help = "In the table: list every connection",
            .group = Group::common};
}

std::vector<Option> proof_options(const std::string& needs) {
    const collect::ProofOptions usual;
    return {{.names = "--rate",
             .value_name = "N",
             .help = "Take up this many connections a second ({default})",
             .kind = Kind::number,
             .group = Group::proof,
             .default_value = std::to_string(usual.rate),
             .least = 1,
             .most = 100'000,
             .needs = needs},
            {.names = "--wait",
             .value_name = "TIME",
             .help = "Wait this long for the answer of each ({default})",
             .kind = Kind::duration,
             .group = Group::proof,
             .default_value = fmt::format("{}s", usual.wait_ms / 1000),
             .least = collect::shortest_wait_s,
             .most = 3600,
             .range = fmt::format("{}s to 1h; in less, a peer behind a path that loses packets "
                                  "could be called dead",
                                  collect::shortest_wait_s),
             .needs = needs}};
}

collect::ProofOptions proof_of(const Given& given) {
    return {.rate = given.number("--rate"), .wait_ms = given.seconds("--wait") * 1000};
}

}  // namespace connleak::cli

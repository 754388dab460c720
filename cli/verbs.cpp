// The table of verbs, and the two verbs about the program itself.
#include "cli/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/options/parser.h"
#include "cli/output.h"
#include "cli/status.h"

namespace connleak::cli {

namespace {

constexpr std::array all_verbs{
    Verb{"scan", "the report (the default)", scan, scan_command},
    Verb{"check", "one line for cron and monitoring", check, check_command},
    Verb{"sockets", "the kernel's TCP sockets, as ss and netstat -o do", sockets, sockets_command},
    Verb{"what-if", "which clients a server's timeout would close", what_if, what_if_command},
    Verb{"verify", "proof of life: has the kernel probe what no table shows", verify,
         verify_command},
    Verb{"reap", "removes ghosts", reap, reap_command},
    Verb{"protect", "turns keepalive on for existing sockets", protect, protect_command},
    Verb{"snapshot", "this host's side, for a scan elsewhere", snapshot, snapshot_command},
    Verb{"help", "what a verb does and takes", help, help_command},
    Verb{"version", "the program's version", version, version_command},
};

// The list of verbs, followed by the help of the default verb.
std::string overview() {
    std::string text = "connleak finds leaked and dead connections.\n\nVerbs:\n";
    for (const Verb& verb : all_verbs)
        text += fmt::format("  {:10}{}\n", verb.name, verb.description);
    return text + "Each has its own --help.\n\n" + help_text(scan_command());
}

}  // namespace

std::span<const Verb> verbs() {
    return all_verbs;
}

Command help_command() {
    Option verb{.names = "VERB",
                .value_name = "",
                .help = "The verb to tell of (default: all)",
                .kind = Kind::choice};
    for (const Verb& each : all_verbs) verb.words.push_back({std::string(each.name)});
    return {.verb = "help",
            .usage = "connleak help",
            .intro = "What a verb does and takes, as its --help.",
            .footer = "",
            .options = {verb}};
}

int help(const Arguments& arguments) {
    const auto given = parse(help_command(), arguments);
    if (!given) return stop(given.error());
    const auto asked = std::ranges::find(all_verbs, given->text("VERB"), &Verb::name);
    return stop({made, asked == all_verbs.end() ? overview() : help_text(asked->command())});
}

Command version_command() {
    return {.verb = "version",
            .usage = "connleak version",
            .intro = "The program's version.",
            .footer = "",
            .options = {}};
}

int version(const Arguments& arguments) {
    const auto given = parse(version_command(), arguments);
    if (!given) return stop(given.error());
    return stop({made, fmt::format("connleak {}\n", CONNLEAK_VERSION)});
}

}  // namespace connleak::cli

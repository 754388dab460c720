// The options shared by several verbs, declared once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options/command.h"
#include "cli/options/options.h"
#include "cli/options/parser.h"
#include "collect/probe/prove.h"

namespace connleak::cli {

Option port_option(std::string help, Group group = Group::common);
Option netns_option(std::string names = "--netns");
Option output_option();
Option persistent_after_option(std::string help);

// --format, --json, --output, --color and --netns. The first of `formats` is the default.
std::vector<Option> output_options(std::vector<Word> formats,
                                   const std::string& netns_names = "--netns");

Format format_of(const Given& given);
When color_of(const Given& given);

template <typename Some>
void take_output(const Given& given, Some& options) {
    options.format = format_of(given);
    options.output = given.text("--output");
    options.color = color_of(given);
    options.netns = given.text("--netns");
}

// For the verbs that read connections and servers: TARGET, which servers, how they are asked, and
// the time thresholds for verdicts.
std::vector<Option> report_options();
// The error, if any.
std::optional<Stop> take_report(const Given& given, Options& options);

// --connections, for the verbs that print the report.
Option connections_option();

// Proof of life: --rate and --wait. `needs`: the option that these require.
std::vector<Option> proof_options(const std::string& needs = "");
collect::ProofOptions proof_of(const Given& given);

}  // namespace connleak::cli

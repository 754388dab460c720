// Options as plain data. A verb's parser, its --help, the option lists of the man page and the
// shell completions (tools/generate/) are all generated from its one table.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::cli {

// The type of an option's value, for validation and completion.
enum class Kind : std::uint8_t {
    flag,  // no value
    text,
    number,    // between `least` and `most`
    duration,  // in seconds, between `least` and `most`
    choice,    // one of `words`
    list,      // comma-separated `words`
    rule,      // one of `words`, "=" and a text
    file,
    folder,
    netns,
};

// Where the man page describes an option: in its verb's section, or once for all verbs.
enum class Group : std::uint8_t { own, common, proof };

// Members with braces may be left out of an initializer without a warning of GCC 12.
// NOLINTBEGIN(readability-redundant-member-init)
struct Word {
    std::string text;
    std::string help = {};
};

struct Option {
    std::string names;       // "-o,--columns"; without dashes it is a positional argument
    std::string value_name;  // as shown in the help: "FILE"; "" for a flag
    std::string help;        // "{default}" and "{words}" are replaced
    Kind kind = Kind::flag;
    Group group = Group::own;
    std::string default_value = {};  // "" for none
    bool repeatable = false;
    std::vector<Word> words = {};
    std::int64_t least = 0;
    std::int64_t most = 10LL * 366 * 86400;  // ten years
    std::string range = {};                  // of a duration, for the error message: "1s to 1h"
    std::string excludes = {};               // name of an option that cannot be combined with it
    std::string needs = {};                  // name of an option that it requires
    std::string unavailable = {};            // why this build does not support it
    // NOLINTEND(readability-redundant-member-init)

    [[nodiscard]] std::vector<std::string> all_names() const;
    [[nodiscard]] bool is_called(std::string_view name) const;
    // The first long name, else the first one.
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool is_argument() const { return !names.starts_with('-'); }
    // `help` with the default and the words filled in.
    [[nodiscard]] std::string description() const;
};

// A verb's command line.
struct Command {
    std::string verb;
    std::string usage;  // "connleak sockets [FILTER]"
    std::string intro;
    std::string footer;
    std::vector<Option> options;  // in the order of the help; --help is not among them

    // `options` and --help.
    [[nodiscard]] std::vector<Option> all_options() const;
    // The command that shows its help.
    [[nodiscard]] std::string help_hint() const;
};

std::vector<Option> joined(std::initializer_list<std::vector<Option>> lists);
std::vector<Word> words_of(std::initializer_list<std::string_view> texts);

}  // namespace connleak::cli

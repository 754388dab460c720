// Options as plain data. From the one table of a verb come its parser, its --help, the option lists
// of the man page and the completions of the shells (tools/generate/).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::cli {

// What the value of an option is: it is checked and completed by this.
enum class Kind : std::uint8_t {
    flag,  // there is none
    text,
    number,    // from `least` to `most`
    duration,  // likewise, in seconds
    choice,    // one of `words`
    list,      // some of `words`, with commas between them
    rule,      // one of `words`, "=" and a text
    file,
    folder,
    netns,
};

// Where the man page describes an option: in the section of its verb, or once for all verbs.
enum class Group : std::uint8_t { own, common, proof };

struct Word {
    std::string text;
    std::string help = {};
};

struct Option {
    std::string names;       // "-o,--columns"; without dashes it is an argument
    std::string value_name;  // as the help has it: "FILE"; "" for a flag
    std::string help;        // "{default}" and "{words}" stand for these
    Kind kind = Kind::flag;
    Group group = Group::own;
    std::string default_value = {};  // "" for none
    bool repeatable = false;
    std::vector<Word> words = {};
    std::int64_t least = 0;
    std::int64_t most = 10LL * 366 * 86400;  // ten years
    std::string range = {};                  // of a duration: "1s to 1h", for the error
    std::string excludes = {};               // the name of an option that does not go with it
    std::string needs = {};                  // ... without which it means nothing
    std::string unavailable = {};            // why this build cannot do it

    [[nodiscard]] std::vector<std::string> all_names() const;
    [[nodiscard]] bool is_called(std::string_view name) const;
    // The first long name, else the first one.
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool is_argument() const { return !names.starts_with('-'); }
    // `help` with the default and the words in it.
    [[nodiscard]] std::string description() const;
};

// A verb's command line.
struct Command {
    std::string verb;
    std::string usage;  // "connleak sockets [FILTER]"
    std::string intro;
    std::string footer;
    std::vector<Option> options;  // in the order of the help, without --help

    // Those of `options` and --help.
    [[nodiscard]] std::vector<Option> all_options() const;
    // What to type for its help.
    [[nodiscard]] std::string help_hint() const;
};

std::vector<Option> joined(std::initializer_list<std::vector<Option>> lists);
std::vector<Word> words_of(std::initializer_list<std::string_view> texts);

}  // namespace connleak::cli

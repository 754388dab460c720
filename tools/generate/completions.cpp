#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/verbs.h"
#include "tools/generate/generate.h"

namespace connleak::generate {

namespace {

using cli::Kind;
using cli::Option;

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

// As one word of bash or zsh.
std::string quoted(const std::string& text) {
    return '\'' + replaced(text, "'", R"('\'')") + '\'';
}

std::string words_of(const Option& option) {
    std::string text;
    for (const cli::Word& word : option.words) text += ' ' + word.text;
    return text;
}

std::string_view kind_name(Kind kind) {
    switch (kind) {
        case Kind::flag:
            return "flag";
        case Kind::choice:
            return "choice";
        case Kind::list:
            return "list";
        case Kind::rule:
            return "rule";
        case Kind::file:
            return "file";
        case Kind::folder:
            return "folder";
        case Kind::netns:
            return "netns";
        case Kind::text:
        case Kind::number:
        case Kind::duration:
            break;
    }
    return "text";
}

// What zsh does for a value. In braces it is called as it stands, without options for compadd.
std::string zsh_action(const Option& option) {
    switch (option.kind) {
        case Kind::choice:
            return '(' + words_of(option).substr(1) + ')';
        case Kind::list:
            return "{_connleak_list" + words_of(option) + '}';
        case Kind::rule:
            return "{compadd -S = --" + words_of(option) + '}';
        case Kind::file:
            return "_files";
        case Kind::folder:
            return "_files -/";
        case Kind::netns:
            return "{_connleak_netns}";
        case Kind::flag:
        case Kind::text:
        case Kind::number:
        case Kind::duration:
            break;
    }
    return " ";  // a message, and nothing to choose from
}

// The value's name in small letters: "[+]COLS" is "cols".
std::string zsh_message(const Option& option) {
    std::string message;
    for (const char c : option.value_name) {
        if (std::isupper(static_cast<unsigned char>(c)) == 0) {
            if (message.empty()) continue;
            break;
        }
        message += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return message;
}

std::string zsh_specs(const Option& option) {
    if (option.is_argument())
        return option.words.empty()
                   ? ""
                   : fmt::format("            {}\n", quoted("1:verb:" + zsh_action(option)));
    std::string description = replaced(option.description(), "\\", "\\\\");
    description = replaced(replaced(description, "[", "\\["), "]", "\\]");
    std::string specs;
    for (const std::string& name : option.all_names()) {
        std::string spec = '*' + name;
        // "-o VALUE" and "-oVALUE", "--option VALUE" and "--option=VALUE"
        if (option.kind != Kind::flag) spec += name.starts_with("--") ? '=' : '+';
        spec += '[' + description + ']';
        if (option.kind != Kind::flag)
            spec += fmt::format(":{}:{}", zsh_message(option), zsh_action(option));
        specs += fmt::format("            {}\n", quoted(spec));
    }
    return specs;
}

// fish's own quoting knows \\ and \' between quotes.
std::string fish_quoted(const std::string& text) {
    return '\'' + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + '\'';
}

std::string fish_value(const cli::Verb& verb, const Option& option) {
    switch (option.kind) {
        case Kind::flag:
            return "";
        case Kind::choice:
            return fmt::format(" -x -a {}", fish_quoted(words_of(option).substr(1)));
        case Kind::list:
        case Kind::rule:
            return fmt::format(" -x -a '(__connleak_{} {} {})'",
                               option.kind == Kind::list ? "list" : "rule", verb.name,
                               option.name());
        case Kind::file:
        case Kind::folder:
            return " -r -F";
        case Kind::netns:
            return " -x -a '(__connleak_netns)'";
        case Kind::text:
        case Kind::number:
        case Kind::duration:
            break;
    }
    return " -x";
}

std::string fish_line(const cli::Verb& verb, const Option& option) {
    std::string line = fmt::format("complete -c connleak -n '__connleak_verb {}'", verb.name);
    if (option.is_argument())
        return option.words.empty()
                   ? ""
                   : fmt::format("{} -a {}\n", line, fish_quoted(words_of(option).substr(1)));
    for (const std::string& name : option.all_names())
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    line += fmt::format("{} -d {}\n", fish_value(verb, option), fish_quoted(option.description()));
    // A value that begins with a dash is none for fish.
    if (option.kind == Kind::list)
        line += fmt::format(
            "complete -c connleak -n '__connleak_after {} {}' -a '(__connleak_list {} {})'\n",
            verb.name, option.name(), verb.name, option.name());
    return line;
}

// The words of lists and rules, which a function of fish's puts together with what is typed.
std::string fish_words(const cli::Verb& verb, const Option& option) {
    std::string text = fmt::format("        case '{} {}'\n            printf '%s\\t%s\\n'",
                                   verb.name, option.name());
    for (const cli::Word& word : option.words)
        text += fmt::format(" {} {}", word.text, fish_quoted(word.help));
    return text + '\n';
}

}  // namespace

std::string bash_table() {
    std::string text = "_connleak_verbs() {\n    printf '%s\\n'";
    for (const cli::Verb& verb : cli::verbs()) text += fmt::format(" {}", verb.name);
    text +=
        "\n}\n\n# The options of a verb: names, the kind of the value, what there is to choose "
        "from.\n_connleak_options() {\n    case $1 in\n";
    for (const cli::Verb& verb : cli::verbs()) {
        text += fmt::format("        {}) printf '%s\\n'", verb.name);
        for (const Option& option : verb.command().all_options())
            if (!option.is_argument() || !option.words.empty())
                text += fmt::format(" \\\n            '{} {}{}'", option.names,
                                    kind_name(option.kind), words_of(option));
        text += " ;;\n";
    }
    return text + "    esac\n}\n";
}

std::string zsh_table() {
    std::string text = "_connleak_verbs() {\n    verbs=(\n";
    for (const cli::Verb& verb : cli::verbs())
        text +=
            fmt::format("        {}\n", quoted(fmt::format("{}:{}", verb.name, verb.description)));
    text +=
        "    )\n}\n\n# The options of a verb, as _arguments takes them.\n_connleak_options() {\n"
        "    case $1 in\n";
    for (const cli::Verb& verb : cli::verbs()) {
        text += fmt::format("        {}) specs=(\n", verb.name);
        for (const Option& option : verb.command().all_options()) text += zsh_specs(option);
        text += "        ) ;;\n";
    }
    return text + "    esac\n}\n";
}

std::string fish_table() {
    std::string text = "set -g __connleak_verbs";
    for (const cli::Verb& verb : cli::verbs()) text += fmt::format(" {}", verb.name);
    text +=
        "\n\n# What a list or a rule can hold.\nfunction __connleak_words\n"
        "    switch \"$argv\"\n";
    for (const cli::Verb& verb : cli::verbs())
        for (const Option& option : verb.command().options)
            if (option.kind == Kind::list || option.kind == Kind::rule)
                text += fish_words(verb, option);
    text += "    end\nend\n\n";
    for (const cli::Verb& verb : cli::verbs())
        text += fmt::format("complete -c connleak -n __connleak_first -a {} -d {}\n", verb.name,
                            fish_quoted(std::string(verb.description)));
    for (const cli::Verb& verb : cli::verbs())
        for (const Option& option : verb.command().all_options()) text += fish_line(verb, option);
    return text;
}

}  // namespace connleak::generate

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

#include "cli/verbs.h"
#include "tools/generate/generate.h"

namespace connleak::generate {

namespace {

using cli::Group;
using cli::Kind;
using cli::Option;

struct Entry {
    std::string heading;
    std::string text;
};

// What the page describes once for all verbs, beside options: main's own.
constexpr std::string_view of_the_program = ".It Fl -version";

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return lines;
}

// "METRIC=RANGE" as macros: "Ar metric Ns = Ns Ar range".
std::string value_macros(const Option& option) {
    std::string macros, name, between;
    const auto end_name = [&] {
        if (name.empty()) return;
        if (!macros.empty()) macros += " Ns " + between + " Ns";
        macros += " Ar " + name;
        name.clear();
        between.clear();
    };
    for (const char c : option.value_name) {
        if (std::isupper(static_cast<unsigned char>(c)) != 0) {
            name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        } else {
            end_name();
            between += c;
        }
    }
    end_name();
    if (between == ",...") macros += " , Ns Ar ...";
    return macros;
}

// "Fl o , -columns Ar cols"
std::string heading_of(const Option& option) {
    std::string heading;
    for (const std::string& name : option.all_names())
        heading += (heading.empty() ? "Fl " : " , ") + name.substr(1);
    return heading + value_macros(option);
}

// Whether the heading has it: "It Fl o , -columns Ar cols" has -o and --columns.
bool names(const std::string& heading, const Option& option) {
    std::istringstream tokens(heading);
    for (std::string token, before; tokens >> token; before = token)
        if (before != "Ar" && option.is_called('-' + token)) return true;
    return false;
}

// That the text has the option's default and the words to choose from.
std::string what_lacks(const Option& option, std::string text) {
    std::ranges::replace(text, '\n', ' ');
    if (option.kind == Kind::choice) {
        for (const cli::Word& word : option.words)
            if (!text.contains(' ' + word.text + ' ')) return word.text;
        return "";
    }
    std::string default_value = option.default_value;
    if (default_value.empty() || option.kind == Kind::netns || text.contains(default_value))
        return "";
    if (const std::size_t unit = default_value.find_first_not_of("0123456789");
        unit != std::string::npos)
        default_value.insert(unit, " ");
    return text.contains(default_value) ? "" : option.default_value;
}

// A list of options with its .Bl and .El: new headings before the old texts.
std::string list(const cli::Command& command, std::string_view old, std::string& wrong) {
    std::string before;
    std::vector<Entry> entries;
    std::string after;
    for (std::string& line : lines_of(old)) {
        if (line.starts_with(".It "))
            entries.push_back({std::move(line), ""});
        else if (line.starts_with(".El"))
            after = line;
        else
            (entries.empty() ? before : entries.back().text) += line;
    }
    std::vector<Option> left = command.all_options();
    std::erase_if(left, [](const Option& option) { return option.is_argument(); });
    std::string made = before;
    for (const Entry& entry : entries) {
        std::string heading;
        for (const Option& option : left) {
            if (!names(entry.heading, option)) continue;
            heading += (heading.empty() ? "" : " , ") + heading_of(option);
            if (const std::string what = what_lacks(option, entry.text); !what.empty())
                wrong += fmt::format("the text of {} in connleak(1), {}, does not have '{}'\n",
                                     option.name(), command.verb, what);
        }
        std::erase_if(left, [&](const Option& option) { return names(entry.heading, option); });
        if (!heading.empty())
            made += fmt::format(".It {}\n{}", heading, entry.text);
        else if (entry.heading.starts_with(of_the_program))
            made += entry.heading + entry.text;
    }
    // Those of other groups are described once, with the verb whose list has them.
    const bool common_too = command.verb == "scan";
    const bool proof_too = command.verb == "verify";
    for (const Option& option : left) {
        if (option.group == Group::own || (option.group == Group::common && common_too) ||
            (option.group == Group::proof && proof_too))
            made += fmt::format(".It {}\n{}.\n", heading_of(option), option.description());
    }
    return made + after;
}

// ".Fl -port , -netns and .Fl -color are as above.": what the verb shares and its list has not.
std::string references(const cli::Command& command, std::string_view page) {
    const std::string begin = fmt::format(".\\\" begin options {}\n", command.verb);
    const std::size_t from = page.find(begin);
    const std::vector<std::string> lines =
        from == std::string_view::npos
            ? std::vector<std::string>()
            : lines_of(page.substr(from, page.find(".\\\" end", from) - from));
    std::vector<std::string> shown;
    for (const Option& option : command.all_options()) {
        if (option.group != Group::common || option.is_argument()) continue;
        if (std::ranges::any_of(lines, [&](const std::string& line) {
                return line.starts_with(".It ") && names(line, option);
            }))
            continue;
        for (const std::string& name : option.all_names()) shown.push_back(name.substr(1));
    }
    if (shown.empty()) return "";
    std::string text, line = ".Fl";
    for (std::size_t at = 0; at + 1 < shown.size(); ++at) {
        if (line.size() > 100) {
            text += line + '\n';
            line = ".Fl";
        }
        line += ' ' + shown[at] + (at + 2 < shown.size() ? " ," : "");
    }
    return text + line + "\nand\n.Fl " + shown.back() + "\nare as above.\n";
}

}  // namespace

std::expected<std::string, std::string> man_page(std::string_view page) {
    std::string made(page);
    std::string wrong;
    const auto replace_between = [&](const char* what, const cli::Command& command,
                                     const auto& by) {
        const std::string begin = fmt::format(".\\\" begin {} {}\n", what, command.verb);
        const std::size_t marker = made.find(begin);
        if (marker == std::string::npos) return false;
        const std::size_t from = marker + begin.size();
        const std::size_t to = made.find(".\\\" end\n", from);
        if (to == std::string::npos) return false;
        made.replace(from, to - from, by(std::string_view(made).substr(from, to - from)));
        return true;
    };
    for (const cli::Verb& verb : cli::verbs()) {
        const cli::Command command = verb.command();
        const bool listed = replace_between(
            "options", command, [&](std::string_view old) { return list(command, old, wrong); });
        if (!listed && !command.options.empty() && !command.options.front().is_argument())
            wrong += fmt::format("connleak(1) has no list of the options of {}\n", verb.name);
        replace_between("references", command,
                        [&](std::string_view) { return references(command, made); });
    }
    if (!wrong.empty()) return std::unexpected(wrong);
    return made;
}

}  // namespace connleak::generate

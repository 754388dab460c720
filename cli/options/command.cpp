#include "cli/options/command.h"

#include <fmt/format.h>

#include <algorithm>

namespace connleak::cli {

std::vector<std::string> Option::all_names() const {
    std::vector<std::string> all;
    for (std::size_t begin = 0; begin <= names.size();) {
        const std::size_t end = std::min(names.find(',', begin), names.size());
        all.push_back(names.substr(begin, end - begin));
        begin = end + 1;
    }
    return all;
}

bool Option::is_called(std::string_view name) const {
    const std::vector<std::string> all = all_names();
    return std::ranges::find(all, name) != all.end();
}

std::string Option::name() const {
    const std::vector<std::string> all = all_names();
    const auto long_name =
        std::ranges::find_if(all, [](std::string_view each) { return each.starts_with("--"); });
    return long_name != all.end() ? *long_name : all.front();
}

std::string Option::description() const {
    std::string listed;
    for (std::size_t at = 0; at < words.size(); ++at) {
        if (at > 0) listed += at + 1 == words.size() && kind == Kind::choice ? " or " : ", ";
        listed += words[at].text;
    }
    return fmt::format(fmt::runtime(help), fmt::arg("default", default_value),
                       fmt::arg("words", listed));
}

std::vector<Option> Command::all_options() const {
    return joined({{{.names = "-h,--help",
                     .value_name = "",
                     .help = "Print this help",
                     .group = Group::common}},
                   options});
}

std::string Command::help_hint() const {
    return verb == "scan" ? "connleak --help" : fmt::format("connleak {} --help", verb);
}

std::vector<Option> joined(std::initializer_list<std::vector<Option>> lists) {
    std::vector<Option> all;
    for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
    return all;
}

std::vector<Word> words_of(std::initializer_list<std::string_view> texts) {
    std::vector<Word> words;
    for (const std::string_view text : texts) words.push_back({std::string(text)});
    return words;
}

}  // namespace connleak::cli

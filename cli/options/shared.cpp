#include "cli/options/shared.h"

#include <fmt/format.h>

#include <memory>

#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

// What the value may be stands in the description.
class Formatter : public CLI::Formatter {
  public:
    Formatter() { column_width(26); }
    std::string make_option_opts(const CLI::Option* option) const override {
        const bool takes_value = option->get_items_expected_max() > 0;
        if (!takes_value || option->get_positional()) return "";
        const std::string name = option->get_type_name();
        return " " + name.substr(0, name.find(':'));  // behind it CLI11 tells the validators
    }
};

std::string listed(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t at = 0; at < words.size(); ++at) {
        if (at > 0) text += at + 1 == words.size() ? " or " : ", ";
        text += words[at];
    }
    return text;
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() {
    return std::make_shared<Formatter>();
}

const CLI::Validator& duration_check() {
    static const CLI::Validator check(
        [](std::string& text) {
            if (parse_duration(text)) return std::string();
            return fmt::format("'{}' is no duration; write 30, 30s, 5m, 2h or 1d", printable(text));
        },
        "DURATION", "duration");
    return check;
}

SharedOptions::SharedOptions(CLI::App& app, const std::vector<std::string>& formats,
                             const std::string& netns_names)
    : format_(formats.front()) {
    auto* chosen = app.add_option("--format", format_, listed(formats))
                       ->type_name("FORMAT")
                       ->check(CLI::IsMember(formats));
    app.add_flag("--json", json_, "The same as --format json")->excludes(chosen);
    app.add_option("--output", output_, "Write to FILE, at once and whole")->type_name("FILE");
    app.add_option("--color", color_, "auto, always or never")
        ->type_name("WHEN")
        ->check(CLI::IsMember({"auto", "always", "never"}));
    app.add_option(netns_names, netns_, "Network namespaces: all, self, a NAME or a PID")
        ->type_name("WHICH");
}

Format SharedOptions::format() const {
    if (json_ || format_ == "json") return Format::json;
    if (format_ == "prometheus") return Format::prometheus;
    return format_ == "ndjson" ? Format::ndjson : Format::table;
}

When SharedOptions::color() const {
    if (color_ == "always") return When::always;
    return color_ == "never" ? When::never : When::automatic;
}

std::optional<Stop> parse_words(CLI::App& app, const std::vector<std::string>& words,
                                const std::string& help) {
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());  // taken from the back
        app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
        return Stop{0, app.help()};
    } catch (const CLI::ExtrasError&) {
        // Only the names: what stands behind the '=' of a misspelt option may be a password.
        std::string unknown;
        for (const std::string& word : app.remaining())
            unknown += (unknown.empty() ? "" : " ") +
                       word.substr(0, word.starts_with("--") ? word.find('=') : 2);
        return Stop{usage_error,
                    fmt::format("unknown option: {} (see {})", printable(unknown), help)};
    } catch (const CLI::ParseError& error) {
        return Stop{usage_error, fmt::format("{} (see {})", printable(error.what()), help)};
    }
    return std::nullopt;
}

}  // namespace connleak::cli

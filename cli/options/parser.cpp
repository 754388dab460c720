// The only file that uses CLI11, which takes half a minute to compile.
#include "cli/options/parser.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <deque>
#include <memory>
#include <stdexcept>

#include "diagnosis/model/duration.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

// The allowed values are in the description.
class Formatter : public CLI::Formatter {
  public:
    Formatter() { column_width(26); }
    std::string make_option_opts(const CLI::Option* option) const override {
        const bool takes_value = option->get_items_expected_max() > 0;
        if (!takes_value || option->get_positional()) return "";
        const std::string name = option->get_type_name();
        return " " +
               name.substr(0, name.find(':'));  // CLI11 appends the validators after the colon
    }
};

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Returns "" if the value is a valid number.
std::string wrong_number(const std::string& text, std::int64_t least, std::int64_t most) {
    const auto number = parse_number(text);
    if (number && *number >= least && *number <= most) return "";
    return fmt::format("Value {} not in range {} to {}", text, least, most);
}

std::string wrong_duration(const std::string& text) {
    if (parse_duration(text)) return "";
    return fmt::format("'{}' is no duration; write 30, 30s, 5m, 2h or 1d", printable(text));
}

std::vector<std::string> texts_of(const std::vector<Word>& words) {
    std::vector<std::string> texts;
    texts.reserve(words.size());
    for (const Word& word : words) texts.push_back(word.text);
    return texts;
}

// CLI11's parser for a command, and the storage of the option values.
class Parser {
  public:
    explicit Parser(const Command& command) : app_(command.intro, command.usage) {
        app_.footer(command.footer);
        app_.formatter(std::make_shared<Formatter>());
        app_.set_help_flag("-h,--help", "Print this help");
        for (const Option& option : command.options) add(option);
        for (const Option& option : command.options) {
            CLI::Option* added = app_.get_option(option.name());
            if (!option.excludes.empty()) added->excludes(app_.get_option(option.excludes));
            if (!option.needs.empty()) added->needs(app_.get_option(option.needs));
        }
    }

    CLI::App& app() { return app_; }

    [[nodiscard]] Given given() const {
        Given given;
        for (const Added& each : added_) given.add(*each.option, each.added->results());
        return given;
    }

  private:
    struct Added {
        const Option* option;
        CLI::Option* added;
        // The type tells CLI11 whether an option may be repeated.
        std::string value;
        std::vector<std::string> values;
    };

    void add(const Option& option) {
        Added& each = added_.emplace_back(&option, nullptr, "", std::vector<std::string>());
        // Must be constant, else CLI11 takes it for the variable of the value.
        const std::string help = option.unavailable.empty()
                                     ? option.description()
                                     : fmt::format("{} (not in this build: {})",
                                                   option.description(), option.unavailable);
        if (option.kind == Kind::flag) {
            // Takes no value: that of "--askpass=word" would be echoed.
            each.added = app_.add_flag(option.names, help)->disable_flag_override();
            return;
        }
        each.added = option.repeatable ? app_.add_option(option.names, each.values, help)
                                       : app_.add_option(option.names, each.value, help);
        each.added->type_name(option.value_name);
        if (option.repeatable && option.is_argument())
            each.added->expected(0, -1);
        else if (option.repeatable)
            each.added->allow_extra_args(false);
        if (option.kind == Kind::choice) each.added->check(CLI::IsMember(texts_of(option.words)));
        if (option.kind == Kind::duration) each.added->check(CLI::Validator(wrong_duration, ""));
        if (option.kind == Kind::number)
            each.added->check(
                [&option](const std::string& text) {
                    return wrong_number(text, option.least, option.most);
                },
                "");
    }

    CLI::App app_;
    std::deque<Added> added_;  // CLI11 keeps references to its elements
};

}  // namespace

void Given::add(const Option& option, std::vector<std::string> values) {
    std::vector<std::string> all = values;
    if (all.empty() && !option.default_value.empty()) all.push_back(option.default_value);
    values_.push_back({option, std::move(values), std::move(all)});
}

const Given::Values& Given::of(std::string_view name) const {
    const auto found = std::ranges::find_if(
        values_, [name](const Values& each) { return each.option.is_called(name); });
    if (found == values_.end())
        throw std::logic_error(fmt::format("no option {} in the table", name));
    return *found;
}

int Given::count(std::string_view name) const {
    return static_cast<int>(of(name).given.size());
}

std::string Given::text(std::string_view name) const {
    const auto& all = of(name).all;
    return all.empty() ? "" : all.back();
}

const std::vector<std::string>& Given::texts(std::string_view name) const {
    return of(name).all;
}

std::int64_t Given::number(std::string_view name) const {
    return parse_number(text(name)).value();
}

std::int64_t Given::seconds(std::string_view name) const {
    return parse_duration(text(name)).value();
}

std::vector<std::uint16_t> Given::ports(std::string_view name) const {
    std::vector<std::uint16_t> ports;
    for (const std::string& text : texts(name))
        ports.push_back(static_cast<std::uint16_t>(parse_number(text).value()));
    return ports;
}

std::expected<Given, Stop> parse(const Command& command,
                                 const std::vector<std::string>& arguments) {
    const auto wrong = [](std::string text) {
        return std::unexpected(Stop{usage_error, std::move(text)});
    };
    Parser parser(command);
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        parser.app().parse(reversed);  // takes the arguments from the back
    } catch (const CLI::CallForHelp&) {
        return std::unexpected(Stop{0, parser.app().help()});
    } catch (const CLI::ExtrasError&) {
        // Names only: a value may be a password.
        std::string unknown;
        for (const std::string& argument : parser.app().remaining())
            if (argument.starts_with('-'))
                unknown +=
                    ' ' + argument.substr(0, argument.starts_with("--") ? argument.find('=') : 2);
        return wrong(fmt::format("{}{} (see {})",
                                 unknown.empty() ? "too many arguments" : "unknown option:",
                                 printable(unknown), command.help_hint()));
    } catch (const CLI::ParseError& error) {
        return wrong(fmt::format("{} (see {})", printable(error.what()), command.help_hint()));
    }
    Given given = parser.given();
    for (const Option& option : command.options) {
        if (option.kind != Kind::duration || !given.has(option.name())) continue;
        const std::int64_t seconds = given.seconds(option.name());
        if (seconds < option.least || seconds > option.most)
            return wrong(fmt::format("{}: write a time from {}", option.name(), option.range));
    }
    return given;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
    constexpr std::int64_t ten_years = 10LL * 366 * 86400;
    const auto seconds = connleak::parse_duration(text);
    return seconds && *seconds <= ten_years ? seconds : std::nullopt;
}

std::string help_text(const Command& command) {
    return Parser(command).app().help();
}

}  // namespace connleak::cli

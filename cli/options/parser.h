// Parses arguments into option values, by a verb's table. The verb interprets the values. Reads
// nothing but argv.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/command.h"
#include "cli/options/options.h"

namespace connleak::cli {

// The parsed values, looked up by any name of an option. An option that was not given has its
// default. A name that is not in the table is a std::logic_error.
class Given {
  public:
    void add(const Option& option, std::vector<std::string> values);

    [[nodiscard]] bool has(std::string_view name) const { return count(name) > 0; }
    [[nodiscard]] int count(std::string_view name) const;
    [[nodiscard]] std::string text(std::string_view name) const;  // "" if there is no default
    [[nodiscard]] const std::vector<std::string>& texts(std::string_view name) const;
    [[nodiscard]] std::int64_t number(std::string_view name) const;
    [[nodiscard]] std::int64_t seconds(std::string_view name) const;
    [[nodiscard]] std::vector<std::uint16_t> ports(std::string_view name) const;

  private:
    struct Values {
        Option option;
        std::vector<std::string> given;
        std::vector<std::string> all;  // `given`, or the default
    };
    [[nodiscard]] const Values& of(std::string_view name) const;

    std::vector<Values> values_;
};

// `arguments` excludes the program's name and the verb.
std::expected<Given, Stop> parse(const Command& command, const std::vector<std::string>& arguments);

std::string help_text(const Command& command);

// The format of diagnosis/model/duration.h; std::nullopt above ten years.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace connleak::cli

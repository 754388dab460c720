// The options that several verbs have, declared once, and how words become options. For the files
// that parse; everyone else sees plain structures.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/options.h"

namespace connleak::cli {

inline constexpr int usage_error = 2;

// The help of a verb: an option with the name of its value, and no more.
std::shared_ptr<CLI::FormatterBase> help_formatter();

// For ->check(): "30", "5m", "2h".
const CLI::Validator& duration_check();

// --format, --json, --output, --color and --netns, as texts until parse_words() has run.
class SharedOptions {
  public:
    // `formats`: the words that --format takes; the first is the default.
    SharedOptions(CLI::App& app, const std::vector<std::string>& formats,
                  const std::string& netns_names = "--netns");

    // After parse_words().
    template <typename Some>
    void fill(Some& options) const {
        options.format = format();
        options.output = output_;
        options.color = color();
        options.netns = netns_;
    }

  private:
    [[nodiscard]] Format format() const;
    [[nodiscard]] When color() const;

    std::string format_;
    std::string output_;
    std::string color_ = "auto";
    std::string netns_ = "all";
    bool json_ = false;
};

// Has `app` read the words. What to do instead of going on, when there is something.
std::optional<Stop> parse_words(CLI::App& app, const std::vector<std::string>& words,
                                const std::string& help);

}  // namespace connleak::cli

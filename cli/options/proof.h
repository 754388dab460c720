// The options of proof of life: --rate and --wait.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/options/shared.h"
#include "collect/probe/prove.h"

namespace connleak::cli {

class ProofWords {
  public:
    // `with`: the option without which these mean nothing; nullptr for none.
    explicit ProofWords(CLI::App& app, CLI::Option* with = nullptr);

    // Puts them into `options`, or tells what is wrong with them. After parse_words().
    [[nodiscard]] std::optional<Stop> fill(collect::ProofOptions& options) const;

  private:
    std::int64_t rate_ = collect::ProofOptions().rate;
    std::string wait_ = "15s";
};

}  // namespace connleak::cli

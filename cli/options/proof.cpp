#include "cli/options/proof.h"

#include <fmt/format.h>

namespace connleak::cli {

namespace {

constexpr std::int64_t longest_wait_s = 3600;

}  // namespace

ProofWords::ProofWords(CLI::App& app, CLI::Option* with) {
    auto* rate = app.add_option("--rate", rate_, "Take up this many connections a second (2000)")
                     ->type_name("N")
                     ->check(CLI::Range(1, 100'000));
    auto* wait = app.add_option("--wait", wait_, "Wait this long for the answer of each (15s)")
                     ->type_name("TIME")
                     ->check(duration_check());
    if (with == nullptr) return;
    rate->needs(with);
    wait->needs(with);
}

std::optional<Stop> ProofWords::fill(collect::ProofOptions& options) const {
    const std::int64_t wait_s = *parse_duration(wait_);
    if (wait_s < collect::shortest_wait_s || wait_s > longest_wait_s)
        return Stop{usage_error,
                    fmt::format("--wait: write a time from {}s to 1h; in less, a peer behind a "
                                "path that loses packets could be called dead",
                                collect::shortest_wait_s)};
    options.rate = rate_;
    options.wait_ms = wait_s * 1000;
    return std::nullopt;
}

}  // namespace connleak::cli

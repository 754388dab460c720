// The command lines of `connleak reap` and `connleak protect`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "cli/options/options.h"
#include "cli/verbs.h"
#include "collect/probe/prove.h"
#include "diagnosis/actions/plan.h"

namespace connleak::cli {

struct ReapOptions : Options {
    MethodChoice method = MethodChoice::automatic;
    std::optional<std::uint64_t> most;  // --max
    bool yes = false;
    bool verify = false;
    collect::ProofOptions proof;
};

struct ProtectOptions : Options {
    std::optional<std::int64_t> keepalive_s;  // --keepalive, 1 to 32767
    bool server = false;
    std::int64_t rate = 2'000;  // sockets a second
    bool yes = false;
};

std::expected<ReapOptions, Stop> parse_reap_options(const Arguments& arguments);
std::expected<ProtectOptions, Stop> parse_protect_options(const Arguments& arguments);

}  // namespace connleak::cli

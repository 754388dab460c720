// The command lines of `connleak scan` and `connleak verify`.
#pragma once

#include <expected>

#include "cli/options/options.h"
#include "cli/verbs.h"
#include "collect/probe/prove.h"

namespace connleak::cli {

struct ScanOptions : Options {
    bool connections = false;
    bool exit_code = false;
};

struct VerifyOptions : Options {
    bool connections = false;
    bool all = false;
    collect::ProofOptions proof;
};

std::expected<ScanOptions, Stop> parse_scan_options(const Arguments& arguments);
std::expected<VerifyOptions, Stop> parse_verify_options(const Arguments& arguments);

}  // namespace connleak::cli

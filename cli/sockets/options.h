// The command line of `connleak sockets`: options with ss's letters where ss has them, in any
// position, and the filter between them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/options/options.h"
#include "cli/sockets/columns.h"
#include "cli/sockets/count.h"
#include "cli/verbs.h"

namespace connleak::cli {

struct SortBy {
    const render::Column* column = nullptr;
    bool descending = false;
};

struct SocketsOptions {
    std::vector<std::string> filter;  // its tokens
    std::uint32_t states = 0;         // default if the filter names none; bit 1 << State
    bool tcp = true;
    bool unix_sockets = false;
    bool ipv4 = true;
    bool ipv6 = true;
    std::vector<const render::Column*> columns;
    bool netns_column = true;  // shown only if there is more than one namespace
    std::vector<SortBy> sort;
    std::vector<CountKey> count_by;
    render::TimerStyle timer = render::TimerStyle::netstat;
    bool headings = true;
    bool resolve = false;
    Format format = Format::table;
    std::string output;
    When color = When::automatic;
    std::string netns = "all";
    std::int64_t persistent_after_s = 60;
};

std::expected<SocketsOptions, Stop> parse_sockets_options(const Arguments& all);

}  // namespace connleak::cli

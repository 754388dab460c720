// The parsed command line. Parsing reads only argv and the environment.
#pragma once

#include <cstdint>
#include <string>

#include "collect/request.h"

namespace connleak::cli {

enum class Format : std::uint8_t { table, json, ndjson, prometheus };
enum class When : std::uint8_t { automatic, always, never };

// The options of every verb that reads connections and servers.
struct Options : collect::Request {
    Format format = Format::table;
    std::string output;  // "" for stdout
    When color = When::automatic;
};

inline constexpr int usage_error = 2;

// What to print instead of running a verb: text for stdout (help, version) or one line for stderr.
struct Stop {
    int status = 0;
    std::string text;
};

}  // namespace connleak::cli

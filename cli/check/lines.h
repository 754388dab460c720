// The output of `check`: one line, performance data, and what is behind it. Nothing in it but the
// sign before the performance data is a '|'.
#pragma once

#include <string>
#include <vector>

#include "diagnosis/health/health.h"

namespace connleak::render {

struct CheckText {
    const Sample& sample;
    const Report& report;
    const Measures& measures;
    const Rules& rules;
    const Health& health;
    std::vector<std::string> notes;  // of the run itself
    int verbosity = 0;
};

std::string to_check(const CheckText& check);

// "CONNLEAK UNKNOWN: …" with a newline, for a run that came to nothing.
std::string check_line(Level level, std::string_view text);

}  // namespace connleak::render

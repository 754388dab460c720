// The output of `check`: one line, performance data, and details. The only '|' in it is the
// separator before the performance data.
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
    std::vector<std::string> notes;  // about the run itself
    int verbosity = 0;
};

std::string to_check(const CheckText& check);

// "CONNLEAK UNKNOWN: …" with a newline, for a run that failed.
std::string check_line(Level level, std::string_view text);

}  // namespace connleak::render

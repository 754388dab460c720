// The report's JSON as one text.
#pragma once

#include <string>

#include "cli/report/json.h"

namespace connleak::test {

inline std::string json_of(const RunFacts& head, const Sample& sample, const Report& report) {
    std::string text;
    render::to_json(head, sample, report, [&](std::string_view piece) {
        text += piece;
        return true;
    });
    return text;
}

}  // namespace connleak::test

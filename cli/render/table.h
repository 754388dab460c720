// The report for people: per server the state of things, what is wrong and what to do, who holds
// what.
#pragma once

#include <cstddef>
#include <string>

#include "diagnosis/report.h"

namespace connleak::render {

struct TableStyle {
    std::size_t columns = 100;  // taken as 80 to 200
    bool color = false;
    bool connections = false;  // list every connection
};

std::string to_table(const Sample& sample, const Report& report, TableStyle style);

}  // namespace connleak::render

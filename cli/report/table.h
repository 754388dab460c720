// The report for people: for each server its state, the problems and their fixes, and the holders.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/render/paint.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

struct TableStyle {
    std::size_t columns = 100;  // clamped to 80 to 200
    bool color = false;
    bool connections = false;  // whether to list every connection
};

// "10.0.0.1:6379", "*:6379", "unix:/run/redis.sock".
std::string place_of(const Server& server);

// The result of a proof of life, one line: "probed 12: 8 answered, …".
std::string probes_text(const Probes& all);

// The gaps, as lines below a table; "" if there are none.
std::string gap_lines(const std::vector<Gap>& gaps, std::size_t columns, const Paint& paint);

std::string to_table(const Sample& sample, const Report& report, TableStyle style);

}  // namespace connleak::render

// The parts of the table that are grids: holders, processes, connections of one server.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/render/paint.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// Lines without line ends; empty if there is nothing to show. The first line is the heading.
std::vector<std::string> holder_lines(const Sample& sample, const Report& report,
                                      std::size_t server, std::size_t columns);
// Details about the clients of the proxies. Not a grid.
std::vector<std::string> proxy_lines(const Sample& sample, const Report& report,
                                     std::size_t server);
std::vector<std::string> process_lines(const Sample& sample, const Report& report,
                                       std::size_t server, std::size_t columns);
std::vector<std::string> connection_lines(const Sample& sample, const Report& report,
                                          std::size_t server, std::size_t columns,
                                          const Paint& paint);

}  // namespace connleak::render

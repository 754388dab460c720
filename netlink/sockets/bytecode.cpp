#include "netlink/sockets/bytecode.h"

#include <algorithm>

#include "netlink/sockets/filter_bytecode.h"

namespace connleak::netlink {

namespace {

using namespace filter;

struct Range {
    std::uint16_t low = 0;
    std::uint16_t high = 0;
};

std::vector<Range> merge_to_ranges(std::vector<std::uint16_t> ports) {
    std::sort(ports.begin(), ports.end());
    std::vector<Range> ranges;
    for (const std::uint16_t port : ports) {
        if (!ranges.empty() && port <= ranges.back().high + 1)
            ranges.back().high = port;
        else
            ranges.push_back({port, port});
    }
    return ranges;
}

Node in_range(Side side, Range range) {
    if (range.low == range.high) return {.test = HasPort{side, Compare::equal, range.low}};
    return {.test = Chain{{{.test = HasPort{side, Compare::at_least, range.low}},
                           {.test = HasPort{side, Compare::at_most, range.high}}},
                          {Join::and_}}};
}

}  // namespace

std::vector<std::uint8_t> compile_port_filter(const std::vector<std::uint16_t>& ports) {
    if (ports.empty()) return {};
    Chain alternatives;
    for (const Range range : merge_to_ranges(ports))
        for (const Side side : {Side::local, Side::remote})
            alternatives.operands.push_back(in_range(side, range));
    alternatives.joins.assign(alternatives.operands.size() - 1, Join::or_);
    return compile_filter({.test = std::move(alternatives)}, {});
}

}  // namespace connleak::netlink

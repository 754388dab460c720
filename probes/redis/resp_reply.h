// A reply of a RESP server as a small tree, and the functions with which hiredis builds it instead
// of its own. They reject early whatever no valid answer to our queries contains. Only this file
// handles the differences between the reader callbacks of hiredis 0.14 and 1.x.
#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace connleak::probes {

enum class ReplyKind : std::uint8_t { status, error, string, integer, nil, array };

struct RespReply {
    ReplyKind kind = ReplyKind::nil;
    std::string text;  // of a status, an error or a string
    std::int64_t integer = 0;
    std::vector<std::unique_ptr<RespReply>> elements;
};

// The remaining limits of one reply. hiredis alone would reserve 16 GiB for "*2147483647\r
//
// ".
struct ReplyBudget {
    static constexpr std::size_t most_elements = 1024;
    static constexpr int most_depth = 4;

    std::size_t elements = most_elements;
    bool exceeded = false;
};

// Makes `reader` build RespReply trees. `budget` must outlive the reader and must be reset before
// each reply.
void bound_reader(redisReader& reader, ReplyBudget& budget);

}  // namespace connleak::probes

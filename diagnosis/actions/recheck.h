// The look right before a connection is closed: whatever has changed since the report was made is
// left alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "diagnosis/connections/witness.h"
#include "diagnosis/model/report.h"

namespace connleak {

enum class Change : std::uint8_t {
    none,       // the same socket or row, and its peer is still absent
    gone,       // it is closed by now, or closing
    replaced,   // another connection has its addresses
    came_back,  // the peer is there, or was heard
    unknown,    // it could not be looked at in full again
};
// One line for a person; "" for none.
std::string_view describe(Change change);

// For each ghost of a report what it is by now, in the same order. `elapsed_ms`: since the report
// was made; whoever was heard within that time is alive, whatever the tables say.
// The witness must not answer from what it saw earlier.
std::vector<Change> recheck(const Sample& sample, std::span<const Connection* const> ghosts,
                            Witness& witness, std::int64_t elapsed_ms);

}  // namespace connleak

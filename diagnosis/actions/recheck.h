// The recheck immediately before a connection is closed: anything that has changed since the report
// was made is left alone.
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
    gone,       // closed or closing
    replaced,   // another connection now has its addresses
    came_back,  // the peer exists, or a segment came from it
    unknown,    // it could not be rechecked completely
};
// One line for a person; "" for none.
std::string_view describe(Change change);

// The current state of each ghost of a report, in the same order. `elapsed_ms`: time since the
// report was made; a peer heard within that time is alive, whatever the tables say. The witness
// must not answer from earlier readings.
std::vector<Change> recheck(const Sample& sample, std::span<const Connection* const> ghosts,
                            Witness& witness, std::int64_t elapsed_ms);

}  // namespace connleak

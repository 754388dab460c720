// Writes this host's snapshot as JSON (man/connleak-snapshot.schema.json).
#pragma once

#include <cstdint>
#include <vector>

#include "cli/render/sink.h"
#include "collect/snapshot/read.h"

namespace connleak::render {

// `ports`: the ports that the snapshot is restricted to. Ends with a newline; always valid UTF-8.
void snapshot_json(const collect::SnapshotRead& read, const std::vector<std::uint16_t>& ports,
                   const Sink& sink);

}  // namespace connleak::render

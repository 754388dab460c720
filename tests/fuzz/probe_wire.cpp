// decode_segment() and fill_checksum() on arbitrary bytes: a segment lies within them, and a
// checksum that is filled in twice is the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "probes/liveness/probe_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak::probes;
    std::vector<std::uint8_t> packet(data, data + size);
    const auto segment = decode_segment(packet);
    if (!segment) {
        fill_checksum(packet);
        return 0;
    }
    if (segment->packet_size > size || segment->packet_size < 40) std::abort();
    if (segment->bare_ack && segment->reset) std::abort();
    packet.resize(segment->packet_size);
    fill_checksum(packet);
    const std::vector<std::uint8_t> once = packet;
    fill_checksum(packet);
    if (packet != once) std::abort();
    return 0;
}

// Keepalive probes as bytes: recognizes them, decodes their tuple, and builds the filter by which
// the kernel selects them. Without I/O, so that truncated packets can be tested and fuzzed.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak::probes {

// A TCP segment in an IPv4 or IPv6 packet (RFC 9293 section 3.1).
struct Segment {
    Endpoint source;
    Endpoint destination;
    std::uint32_t sequence = 0;
    bool bare_ack = false;  // ACK and nothing else: no data, no SYN, FIN or RST
    bool reset = false;
    std::size_t packet_size = 0;  // from the packet's own header; padding may follow
};

// `packet` begins with the IP header. std::nullopt for anything else: fragments, IPv6 with
// extension headers, truncated packets.
std::optional<Segment> decode_segment(std::span<const std::uint8_t> packet);

// Fills in the TCP checksum, which an outgoing packet does not have yet when it is captured
// (CHECKSUM_PARTIAL). `packet` is what decode_segment() accepted, cut to packet_size.
void fill_checksum(std::span<std::uint8_t> packet);

// Classic BPF for a packet(7) socket of type SOCK_DGRAM: outgoing bare ACKs and incoming resets,
// from or to one of `ports`. If `ports` is empty or too long for a program: of any port.
std::vector<sock_filter> probe_filter(std::span<const std::uint16_t> ports);

}  // namespace connleak::probes

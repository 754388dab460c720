// Keepalive probes as bytes: which packet is one, whose it is, and the program with which the
// kernel picks them out. Pure, so that cut-off bytes and fuzzers reach it.
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
    std::size_t packet_size = 0;  // what the packet's own header says; padding may follow
};

// `packet` begins with the IP header. std::nullopt for anything else, for fragments, for IPv6 with
// extension headers, and for what was cut off.
std::optional<Segment> decode_segment(std::span<const std::uint8_t> packet);

// Fills in the TCP checksum, which a packet has not got yet when it is seen on its way out
// (CHECKSUM_PARTIAL). `packet` as decode_segment() took it, cut to packet_size.
void fill_checksum(std::span<std::uint8_t> packet);

// Classic BPF for a packet(7) socket of SOCK_DGRAM: bare ACKs on their way out and resets on their
// way in, from or to one of `ports`. More than fits in a program, or none: of any port.
std::vector<sock_filter> probe_filter(std::span<const std::uint16_t> ports);

}  // namespace connleak::probes

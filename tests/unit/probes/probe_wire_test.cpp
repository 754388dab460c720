// Keepalive probes as bytes, and the kernel's filter for them: run by this very kernel on bytes
// that the test made.
#include "probes/liveness/probe_wire.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "system/descriptor.h"

namespace connleak::probes {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(const std::string& text) {
    Bytes bytes;
    for (std::size_t at = 0; at + 1 < text.size(); at += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(at, 2), nullptr, 16)));
    return bytes;
}

// As they left a veth (Linux 6.18): the checksum is the pseudo header's only.
const Bytes probe = from_hex(
    "45000034d92840004006993a0a2f5a010a2f5a0223288ca4f4e9f0ab3b05a0b080100040c88700000101080a11a869"
    "5f4287"
    "cf51");

Bytes ipv6_of(const Bytes& ipv4) {
    Bytes packet = from_hex(
        "6000000000000640fd000000000000000000000000000001fd000000000000000000000000000002");
    packet[5] = static_cast<std::uint8_t>(ipv4.size() - 20);
    packet.insert(packet.end(), ipv4.begin() + 20, ipv4.end());
    return packet;
}

Bytes with_flags(Bytes packet, std::uint8_t flags) {
    packet[packet[0] >> 4 == 4 ? 33 : 53] = flags;
    return packet;
}

Bytes with_data(Bytes packet) {
    packet.push_back('x');
    if (packet[0] >> 4 == 4)
        ++packet[3];
    else
        ++packet[5];
    return packet;
}

TEST(ProbeWire, AProbeIsRead) {
    const auto segment = decode_segment(probe);
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->source.text(), "10.47.90.1:9000");
    EXPECT_EQ(segment->destination.text(), "10.47.90.2:36004");
    EXPECT_EQ(segment->sequence, 0xf4e9f0abU);
    EXPECT_TRUE(segment->bare_ack);
    EXPECT_FALSE(segment->reset);
    EXPECT_EQ(segment->packet_size, 52);
}

TEST(ProbeWire, OverIpv6AndWithPaddingToo) {
    Bytes packet = ipv6_of(probe);
    const std::size_t size = packet.size();
    packet.insert(packet.end(), 6, 0);
    const auto segment = decode_segment(packet);
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->source.text(), "[fd00::1]:9000");
    EXPECT_TRUE(segment->bare_ack);
    EXPECT_EQ(segment->packet_size, size);
}

TEST(ProbeWire, WhatIsNoBareAck) {
    for (const Bytes& base : {probe, ipv6_of(probe)}) {
        EXPECT_FALSE(decode_segment(with_data(base))->bare_ack);
        for (const std::uint8_t flags : Bytes{0x00, 0x02, 0x12, 0x11, 0x14})
            EXPECT_FALSE(decode_segment(with_flags(base, flags))->bare_ack) << int{flags};
        EXPECT_TRUE(decode_segment(with_flags(base, 0x18))->bare_ack);  // PSH means nothing
        EXPECT_TRUE(decode_segment(with_flags(base, 0x04))->reset);
        EXPECT_TRUE(decode_segment(with_flags(base, 0x14))->reset);
    }
}

TEST(ProbeWire, WhatIsNoSegment) {
    for (std::size_t size = 0; size < probe.size(); ++size)
        EXPECT_FALSE(decode_segment(std::span(probe).first(size))) << size;
    Bytes packet = probe;
    packet[9] = 17;
    EXPECT_FALSE(decode_segment(packet)) << "UDP";
    packet = probe;
    packet[6] = 0x20;
    EXPECT_FALSE(decode_segment(packet)) << "a first fragment";
    packet = probe;
    packet[0] = 0x44;
    EXPECT_FALSE(decode_segment(packet)) << "a header too short";
    packet = probe;
    packet[32] = 0xf0;
    EXPECT_FALSE(decode_segment(packet)) << "options beyond the end";
}

// RFC 1071: over the pseudo header and the whole segment the sum is 0xffff.
std::uint32_t sum_of(const Bytes& packet) {
    const bool ipv4 = packet[0] >> 4 == 4;
    const std::size_t header = ipv4 ? 20 : 40;
    std::uint32_t sum = 6 + static_cast<std::uint32_t>(packet.size() - header);
    for (std::size_t at = ipv4 ? 12 : 8; at < packet.size(); at += 2)
        sum += static_cast<std::uint32_t>(packet[at]) << 8 |
               (at + 1 < packet.size() ? packet[at + 1] : 0U);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

TEST(ProbeWire, TheChecksumIsFilledIn) {
    for (Bytes packet : {probe, ipv6_of(probe), with_data(probe)}) {
        EXPECT_NE(sum_of(packet), 0xffffU);
        fill_checksum(packet);
        EXPECT_EQ(sum_of(packet), 0xffffU);
    }
}

// Whether the filter lets a packet through that comes in. A Unix socket runs it as well, on the
// bytes sent.
bool accepted(std::vector<sock_filter> filter, const Bytes& packet) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends.data()) != 0) return false;
    const Descriptor from(ends[0]);
    const Descriptor to(ends[1]);
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    EXPECT_EQ(setsockopt(to.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    if (send(from.get(), packet.data(), packet.size(), 0) < 0) return false;
    std::array<char, 256> buffer{};
    return recv(to.get(), buffer.data(), buffer.size(), 0) == static_cast<ssize_t>(packet.size());
}

TEST(ProbeWire, TheFilterTakesResetsOfItsPortsFromOutside) {
    const std::vector<std::vector<std::uint16_t>> lists = {{},
                                                           {9000},
                                                           {36004},
                                                           {1, 9000},
                                                           {9000, 1},
                                                           {1, 2, 3, 36004},
                                                           std::vector<std::uint16_t>(100, 7)};
    for (const auto& ports : lists) {
        for (const Bytes& base : {probe, ipv6_of(probe)}) {
            EXPECT_TRUE(accepted(probe_filter(ports), with_flags(base, 0x04))) << ports.size();
            EXPECT_TRUE(accepted(probe_filter(ports), with_flags(base, 0x14))) << ports.size();
            EXPECT_FALSE(accepted(probe_filter(ports), base))
                << ports.size();  // an ACK that comes in
        }
    }
    for (const auto& ports : std::vector<std::vector<std::uint16_t>>{{9001}, {1, 2, 3}})
        EXPECT_FALSE(accepted(probe_filter(ports), with_flags(probe, 0x04)));
    Bytes udp = with_flags(probe, 0x04);
    udp[9] = 17;
    EXPECT_FALSE(accepted(probe_filter({}), udp));
}

}  // namespace
}  // namespace connleak::probes

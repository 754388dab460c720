#include "probes/liveness/probe_wire.h"

#include <linux/if_packet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace connleak::probes {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr std::size_t tcp_header = 20;
constexpr std::size_t checksum_at = 16;  // in the TCP header

constexpr unsigned fin = 1;
constexpr unsigned syn = 2;
constexpr unsigned rst = 4;
constexpr unsigned ack = 16;

unsigned get16(Bytes bytes, std::size_t at) {
    return static_cast<unsigned>(bytes[at]) << 8U | bytes[at + 1];
}

std::uint32_t get32(Bytes bytes, std::size_t at) {
    return get16(bytes, at) << 16U | get16(bytes, at + 2);
}

// The offsets in a TCP packet; std::nullopt as in decode_segment().
struct Layout {
    std::size_t tcp = 0;
    std::size_t end = 0;
    Bytes source;
    Bytes destination;
};

std::optional<Layout> find_parts(Bytes packet) {
    if (packet.empty()) return std::nullopt;
    Layout layout;
    if (packet[0] >> 4U == 4) {
        if (packet.size() < ipv4_header || packet[9] != IPPROTO_TCP) return std::nullopt;
        if ((get16(packet, 6) & 0x3fffU) != 0) return std::nullopt;  // a fragment
        layout.tcp = std::size_t{packet[0] & 0xfU} * 4;
        if (layout.tcp < ipv4_header) return std::nullopt;
        layout.end = get16(packet, 2);
        layout.source = packet.subspan(12, 4);
        layout.destination = packet.subspan(16, 4);
    } else if (packet[0] >> 4U == 6) {
        if (packet.size() < ipv6_header || packet[6] != IPPROTO_TCP) return std::nullopt;
        layout.tcp = ipv6_header;
        layout.end = ipv6_header + get16(packet, 4);
        layout.source = packet.subspan(8, 16);
        layout.destination = packet.subspan(24, 16);
    } else {
        return std::nullopt;
    }
    if (layout.end > packet.size() || layout.tcp + tcp_header > layout.end) return std::nullopt;
    return layout;
}

// RFC 1071, over 16-bit words.
std::uint32_t sum(Bytes bytes, std::uint32_t begun) {
    for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) begun += get16(bytes, at);
    if (bytes.size() % 2 != 0) begun += static_cast<std::uint32_t>(bytes.back()) << 8U;
    return begun;
}

// A program being built; jumps to `drop` are filled in at the end.
class Program {
  public:
    void add(unsigned code, std::uint32_t value) {
        code_.push_back({static_cast<std::uint16_t>(code), 0, 0, value});
    }
    // Continues with the next instruction if the test holds (or, negated, if it does not), else
    // jumps to `drop`.
    void need(unsigned test, std::uint32_t value, bool holds = true) {
        drops_.push_back({code_.size(), holds});
        add(BPF_JMP | test | BPF_K, value);
    }
    // Jumps over `then` or `otherwise` instructions.
    void branch(unsigned test, std::uint32_t value, std::uint8_t then, std::uint8_t otherwise) {
        code_.push_back(
            {static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), then, otherwise, value});
    }
    std::vector<sock_filter> finish() {
        constexpr std::uint32_t whole = 0xffff;
        add(BPF_RET | BPF_K, whole);
        const std::size_t drop = code_.size();
        add(BPF_RET | BPF_K, 0);
        for (const auto& [at, holds] : drops_)
            (holds ? code_[at].jf : code_[at].jt) = static_cast<std::uint8_t>(drop - at - 1);
        return std::move(code_);
    }

  private:
    struct Drop {
        std::size_t at;
        bool holds;
    };
    std::vector<sock_filter> code_;
    std::vector<Drop> drops_;
};

}  // namespace

std::optional<Segment> decode_segment(Bytes packet) {
    const auto layout = find_parts(packet);
    if (!layout) return std::nullopt;
    const Bytes tcp = packet.subspan(layout->tcp, layout->end - layout->tcp);
    const std::size_t header = std::size_t{tcp[12]} / 16 * 4;
    if (header < tcp_header || header > tcp.size()) return std::nullopt;
    Segment segment;
    segment.source = {Address::from_bytes(layout->source),
                      static_cast<std::uint16_t>(get16(tcp, 0))};
    segment.destination = {Address::from_bytes(layout->destination),
                           static_cast<std::uint16_t>(get16(tcp, 2))};
    segment.sequence = get32(tcp, 4);
    const unsigned flags = tcp[13];
    segment.reset = (flags & rst) != 0;
    segment.bare_ack = (flags & (fin | syn | rst | ack)) == ack && header == tcp.size();
    segment.packet_size = layout->end;
    return segment;
}

void fill_checksum(std::span<std::uint8_t> packet) {
    const auto layout = find_parts(packet);
    if (!layout) return;
    const auto tcp = packet.subspan(layout->tcp, layout->end - layout->tcp);
    tcp[checksum_at] = tcp[checksum_at + 1] = 0;
    // The pseudo header: addresses, protocol, length.
    std::uint32_t total = sum(layout->source, sum(layout->destination, IPPROTO_TCP));
    total = sum(tcp, total + static_cast<std::uint32_t>(tcp.size()));
    while (total >> 16U != 0) total = (total & 0xffffU) + (total >> 16U);
    const auto checksum = static_cast<std::uint16_t>(~total);
    tcp[checksum_at] = static_cast<std::uint8_t>(checksum >> 8U);
    tcp[checksum_at + 1] = static_cast<std::uint8_t>(checksum);
}

std::vector<sock_filter> probe_filter(std::span<const std::uint16_t> ports) {
    constexpr std::size_t most_ports = 40;  // jumps reach 255 instructions
    constexpr std::uint32_t ad = static_cast<std::uint32_t>(SKF_AD_OFF);
    Program program;
    // X: offset of the TCP header. M[0]: length of header and data.
    program.add(BPF_LD | BPF_B | BPF_ABS, 0);
    program.add(BPF_ALU | BPF_AND | BPF_K, 0xf0);
    program.branch(BPF_JEQ, 0x60, 9, 0);
    program.need(BPF_JEQ, 0x40);
    program.add(BPF_LD | BPF_B | BPF_ABS, 9);
    program.need(BPF_JEQ, IPPROTO_TCP);
    program.add(BPF_LD | BPF_H | BPF_ABS, 6);
    program.need(BPF_JSET, 0x3fff, false);
    program.add(BPF_LDX | BPF_B | BPF_MSH, 0);
    program.add(BPF_LD | BPF_H | BPF_ABS, 2);
    program.add(BPF_ALU | BPF_SUB | BPF_X, 0);
    program.add(BPF_JMP | BPF_JA, 4);
    program.add(BPF_LD | BPF_B | BPF_ABS, 6);
    program.need(BPF_JEQ, IPPROTO_TCP);
    program.add(BPF_LDX | BPF_IMM, ipv6_header);
    program.add(BPF_LD | BPF_H | BPF_ABS, 4);
    program.add(BPF_ST, 0);

    if (!ports.empty() && ports.size() <= most_ports) {
        const auto count = static_cast<std::uint8_t>(ports.size());
        program.add(BPF_LD | BPF_H | BPF_IND, 0);
        // After the list: one instruction that loads the other port, and the list again.
        for (std::uint8_t at = 0; at < count; ++at)
            program.branch(BPF_JEQ, ports[at], static_cast<std::uint8_t>(2 * count - at), 0);
        program.add(BPF_LD | BPF_H | BPF_IND, 2);
        for (std::uint8_t at = 0; at + 1 < count; ++at)
            program.branch(BPF_JEQ, ports[at], static_cast<std::uint8_t>(count - 1 - at), 0);
        program.need(BPF_JEQ, ports[count - 1U]);
    }

    program.add(BPF_LD | BPF_W | BPF_ABS, ad + SKF_AD_PKTTYPE);
    program.branch(BPF_JEQ, PACKET_OUTGOING, 3, 0);
    program.add(BPF_LD | BPF_B | BPF_IND, 13);
    program.need(BPF_JSET, rst);
    program.add(BPF_JMP | BPF_JA, 8);
    program.add(BPF_LD | BPF_B | BPF_IND, 13);
    program.need(BPF_JSET, fin | syn | rst, false);
    program.need(BPF_JSET, ack);
    program.add(BPF_LD | BPF_B | BPF_IND, 12);
    program.add(BPF_ALU | BPF_RSH | BPF_K, 2);
    program.add(BPF_ALU | BPF_AND | BPF_K, 0x3c);
    program.add(BPF_LDX | BPF_MEM, 0);
    program.need(BPF_JEQ | BPF_X, 0);
    return program.finish();
}

}  // namespace connleak::probes

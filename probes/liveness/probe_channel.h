// The wire of one network namespace, as far as a proof of life needs it: outgoing bare ACKs (the
// kernel's probe is one), incoming resets, and sending a copy of a packet. A copy of a keepalive
// probe is always harmless: its sequence number is an old one, so the peer answers with an ACK, or
// with a reset if it has no such connection (RFC 9293 section 3.10.7.4), and our own socket is not
// affected.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <vector>

#include "probes/liveness/probe_wire.h"
#include "system/descriptor.h"

namespace connleak::probes {

class ProbeChannel {
  public:
    // Opens the channel in the calling thread's namespace, for these ports; afterwards any thread
    // may use it. errno on failure: EPERM without CAP_NET_RAW there.
    static std::expected<ProbeChannel, int> open_here(std::span<const std::uint16_t> ports);

    // Becomes readable when a packet was seen; for poll(2).
    [[nodiscard]] int descriptor() const { return seen_.get(); }

    struct Seen {
        Segment segment;
        bool outgoing = false;
        std::uint32_t interface = 0;           // ifindex of the device
        std::span<const std::uint8_t> packet;  // valid until the call returns
    };
    // Delivers every packet seen since the last call. Packets that overflowed the kernel's queue
    // are lost.
    void receive(const std::function<void(const Seen&)>& take) const;

    struct Copy {
        std::vector<std::uint8_t> packet;  // with its checksum
        Endpoint destination;
        std::uint32_t interface =
            0;  // required outgoing device: of a bound socket, or a link-local address; 0 for any
        std::uint32_t mark = 0;  // the socket's SO_MARK
    };
    // Returns 0 or errno.
    [[nodiscard]] int send(const Copy& copy);

  private:
    ProbeChannel() = default;
    int set_mark(const Descriptor& descriptor, std::uint32_t& current, std::uint32_t wanted) const;

    Descriptor seen_;
    Descriptor ipv4_;
    Descriptor ipv6_;  // empty on a kernel without IPv6
    std::uint32_t mark_ipv4_ = 0;
    std::uint32_t mark_ipv6_ = 0;
};

}  // namespace connleak::probes

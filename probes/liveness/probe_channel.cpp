#include "probes/liveness/probe_channel.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace connleak::probes {

namespace {

constexpr std::size_t longest_probe = 256;  // headers and options only
constexpr int queue_bytes = 4 << 20;
// After this many packets, the caller's other work has priority.
constexpr int most_at_once = 20'000;

// Sets the outgoing device, as IP_PKTINFO and IPV6_PKTINFO do.
template <typename Info>
void choose_device(msghdr& message, std::span<char> buffer, int level, int type, const Info& info) {
    message.msg_control = buffer.data();
    message.msg_controllen = CMSG_SPACE(sizeof info);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

}  // namespace

std::expected<ProbeChannel, int> ProbeChannel::open_here(std::span<const std::uint16_t> ports) {
    ProbeChannel channel;
    // Without a protocol it receives nothing yet, so nothing arrives before the filter is set.
    channel.seen_ = Descriptor(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!channel.seen_) return std::unexpected(errno);
    std::vector<sock_filter> filter = probe_filter(ports);
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    if (setsockopt(channel.seen_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) !=
        0)
        return std::unexpected(errno);
    // As large as possible; a process with the privilege to raise it is not bound by the limit.
    if (setsockopt(channel.seen_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &queue_bytes,
                   sizeof queue_bytes) != 0)
        setsockopt(channel.seen_.get(), SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof queue_bytes);
    sockaddr_ll every{};
    every.sll_family = AF_PACKET;
    every.sll_protocol = htons(ETH_P_ALL);  // outgoing packets are only shown to ETH_P_ALL sockets
    if (bind(channel.seen_.get(), reinterpret_cast<const sockaddr*>(&every), sizeof every) != 0)
        return std::unexpected(errno);

    // IPPROTO_RAW: packets come with their own header (raw(7)).
    constexpr int kind = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    channel.ipv4_ = Descriptor(socket(AF_INET, kind, IPPROTO_RAW));
    if (!channel.ipv4_) return std::unexpected(errno);
    channel.ipv6_ = Descriptor(socket(AF_INET6, kind, IPPROTO_RAW));
    if (!channel.ipv6_ && errno != EAFNOSUPPORT) return std::unexpected(errno);
    return channel;
}

void ProbeChannel::receive(const std::function<void(const Seen&)>& take) const {
    std::array<std::uint8_t, longest_probe> buffer;
    for (int round = 0; round < most_at_once; ++round) {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t length = recvfrom(seen_.get(), buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0 && errno == ENETDOWN) continue;  // a device disappeared: reported once
        if (length < 0) return;
        const std::span packet(buffer.data(), static_cast<std::size_t>(length));
        const auto segment = decode_segment(packet);
        if (!segment) continue;
        take({*segment, from.sll_pkttype == PACKET_OUTGOING,
              static_cast<std::uint32_t>(from.sll_ifindex), packet.first(segment->packet_size)});
    }
}

int ProbeChannel::set_mark(const Descriptor& descriptor, std::uint32_t& current,
                           std::uint32_t wanted) const {
    if (current == wanted) return 0;
    if (setsockopt(descriptor.get(), SOL_SOCKET, SO_MARK, &wanted, sizeof wanted) != 0)
        return errno;
    current = wanted;
    return 0;
}

int ProbeChannel::send(const Copy& copy) {
    const bool ipv6 = copy.destination.address.family() == Family::ipv6;
    const Descriptor& raw = ipv6 ? ipv6_ : ipv4_;
    if (!raw) return EAFNOSUPPORT;
    if (const int failure = set_mark(raw, ipv6 ? mark_ipv6_ : mark_ipv4_, copy.mark))
        return failure;

    sockaddr_storage to{};
    const auto address = copy.destination.address.bytes();
    iovec part{const_cast<std::uint8_t*>(copy.packet.data()), copy.packet.size()};
    msghdr message{};
    message.msg_name = &to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    if (ipv6) {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_scope_id = copy.interface;
        std::memcpy(&name.sin6_addr, address.data(), address.size());
        std::memcpy(&to, &name, sizeof name);
        message.msg_namelen = sizeof name;
        in6_pktinfo info{};
        info.ipi6_ifindex = copy.interface;
        if (copy.interface != 0) choose_device(message, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        std::memcpy(&name.sin_addr, address.data(), address.size());
        std::memcpy(&to, &name, sizeof name);
        message.msg_namelen = sizeof name;
        in_pktinfo info{};
        info.ipi_ifindex = static_cast<int>(copy.interface);
        if (copy.interface != 0) choose_device(message, control, IPPROTO_IP, IP_PKTINFO, info);
    }
    return sendmsg(raw.get(), &message, 0) >= 0 ? 0 : errno;
}

}  // namespace connleak::probes

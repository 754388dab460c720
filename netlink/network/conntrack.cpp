#include "netlink/network/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "netlink/network/conntrack_decode.h"
#include "netlink/proc_file.h"
#include "netlink/request.h"

namespace connleak::netlink {

namespace {

constexpr std::uint16_t get_message = NFNL_SUBSYS_CTNETLINK << 8U | IPCTNL_MSG_CT_GET;

// Attributes that are put into another one.
class Nest {
  public:
    Nest& put(std::uint16_t type, Bytes value) {
        constexpr std::size_t header = 4;  // NLA_HDRLEN
        const auto length = static_cast<std::uint16_t>(header + value.size());
        for (const std::uint16_t number : {length, type}) {
            std::array<std::uint8_t, sizeof number> bytes{};
            std::memcpy(bytes.data(), &number, sizeof number);
            bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        }
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        constexpr std::size_t alignment = 4;  // NLA_ALIGNTO
        bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    Nest& put(std::uint16_t type, const Nest& nest) {
        return put(static_cast<std::uint16_t>(type | NLA_F_NESTED), Bytes(nest.bytes_));
    }
    Nest& put_port(std::uint16_t type, std::uint16_t port) {
        const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8U),
                                                static_cast<std::uint8_t>(port)};
        return put(type, Bytes(bytes));
    }
    [[nodiscard]] Bytes bytes() const { return bytes_; }

  private:
    std::vector<std::uint8_t> bytes_;
};

Nest encode(const Tuple& packets) {
    const bool ipv6 = packets.local.address.family() == Family::ipv6;
    constexpr std::array<std::uint8_t, 1> tcp{IPPROTO_TCP};
    Nest addresses;
    addresses.put(ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, packets.local.address.bytes())
        .put(ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, packets.remote.address.bytes());
    Nest protocol;
    protocol.put(CTA_PROTO_NUM, Bytes(tcp))
        .put_port(CTA_PROTO_SRC_PORT, packets.local.port)
        .put_port(CTA_PROTO_DST_PORT, packets.remote.port);
    return Nest().put(CTA_TUPLE_IP, addresses).put(CTA_TUPLE_PROTO, protocol);
}

// The number of entries; absent where connection tracking is not loaded. Inside the namespace.
std::optional<std::string> entries_here() {
    auto count = read_proc_file("/proc/sys/net/netfilter/nf_conntrack_count");
    if (!count) return std::nullopt;
    return std::move(*count);
}

}  // namespace

std::optional<Error> read_tracked_connections(
    const Netns& netns, const std::function<void(const TrackedConnection&)>& take) {
    constexpr const char* doing = "reading the connection tracking table";
    bool in_use = false;
    std::expected<Channel, Error> channel = std::unexpected(Error());
    const int not_entered = netns.run([&] {
        in_use = entries_here().value_or("0\n") != "0\n";
        if (in_use) channel = Channel::open_here(NETLINK_NETFILTER);
    });
    if (not_entered != 0) return make_error(not_entered, "entering " + netns.label());
    if (!in_use) return std::nullopt;
    if (!channel) return channel.error();
    Request request(get_message, NLM_F_DUMP);
    request.put_header(nfgenmsg{});  // family 0: both
    const int failure = channel->ask(request, [&](std::uint16_t, Bytes payload) {
        if (const auto tracked = decode_tracked_connection(payload, netns.id())) take(*tracked);
    });
    if (failure != 0) return make_error(failure, doing);
    return std::nullopt;
}

struct TrackingTable::Impl {
    std::optional<Channel> channel;  // absent: connection tracking is not loaded
    NetnsId netns = 0;
};

TrackingTable::TrackingTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TrackingTable::TrackingTable(TrackingTable&&) noexcept = default;
TrackingTable& TrackingTable::operator=(TrackingTable&&) noexcept = default;
TrackingTable::~TrackingTable() = default;

std::expected<TrackingTable, Error> TrackingTable::open(const Netns& netns) {
    auto impl = std::make_unique<Impl>();
    impl->netns = netns.id();
    std::optional<Error> error;
    const int not_entered = netns.run([&] {
        if (!entries_here()) return;
        auto channel = Channel::open_here(NETLINK_NETFILTER);
        if (channel)
            impl->channel.emplace(std::move(*channel));
        else
            error = channel.error();
    });
    if (not_entered != 0)
        return std::unexpected(make_error(not_entered, "entering " + netns.label()));
    if (error) return std::unexpected(*error);
    return TrackingTable(std::move(impl));
}

std::expected<std::optional<TrackedConnection>, Error> TrackingTable::lookup(const Tuple& packets) {
    if (!impl_->channel || packets.local.address.family() == Family::none ||
        packets.local.address.family() != packets.remote.address.family())
        return std::nullopt;
    Request request(get_message, 0);
    nfgenmsg header{};
    header.nfgen_family =
        packets.local.address.family() == Family::ipv6 ? std::uint8_t{AF_INET6} : AF_INET;
    request.put_header(header);
    request.put(CTA_TUPLE_ORIG | NLA_F_NESTED, encode(packets).bytes());
    std::optional<TrackedConnection> found;
    const int failure = impl_->channel->ask(request, [&](std::uint16_t, Bytes payload) {
        found = decode_tracked_connection(payload, impl_->netns);
    });
    if (failure == ENOENT) return std::nullopt;
    if (failure != 0)
        return std::unexpected(make_error(failure, "asking connection tracking for a connection"));
    if (found && found->original != packets && found->reply != packets) found.reset();
    return found;
}

}  // namespace connleak::netlink

#include "netlink/sockets/sock_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bitset>
#include <cerrno>

#include "netlink/request.h"
#include "netlink/sockets/bytecode.h"
#include "netlink/sockets/repeats.h"
#include "netlink/sockets/sock_diag_decode.h"
#include "netlink/sockets/sock_diag_id.h"
#include "netlink/sockets/socket_counts.h"

namespace connleak::netlink {

namespace {

constexpr std::uint8_t extension(unsigned attribute) {
    return static_cast<std::uint8_t>(1U << (attribute - 1));
}

// The states that are connections or listeners. Bit 12 is TCP_NEW_SYN_RECV. Bit 13, sockets that
// are only bound (TCP_BOUND_INACTIVE, Linux 6.8), is excluded: older kernels do not report them.
constexpr std::uint32_t tcp_states = 0xffe;
constexpr std::uint32_t new_syn_recv = 1U << 12U;

// The kernel's filter, repeated here: the result is the same whether or not the kernel accepted the
// bytecode.
class Filter {
  public:
    explicit Filter(const SocketQuery& query) : states_(query.states) {
        if (query.ports.empty()) ports_.set();
        for (const std::uint16_t port : query.ports) ports_.set(port);
    }

    [[nodiscard]] bool accepts(const Socket& socket) const {
        return (states_ & state_bit(socket.state)) != 0 &&
               (ports_[socket.tuple.local.port] || ports_[socket.tuple.remote.port]);
    }

  private:
    std::uint32_t states_;
    std::bitset<65536> ports_;
};

const char* family_name(int family) {
    return family == AF_INET ? "IPv4" : "IPv6";
}

// A host without IPv6 has no IPv6 table; that is not an error.
bool lacks_ipv6(int family, int failure) {
    return family == AF_INET6 && (failure == ENOENT || failure == EAFNOSUPPORT);
}

}  // namespace

struct SocketTable::Impl {
    Channel channel;
    SocketCounts counts;
    NetnsId netns;

    int dump_family(int family, const SocketQuery& query, const Filter& filter,
                    const std::vector<std::uint8_t>& bytecode, std::vector<Socket>& sockets) {
        inet_diag_req_v2 header{};
        header.sdiag_family = static_cast<__u8>(family);
        header.sdiag_protocol = IPPROTO_TCP;
        if (query.with_info) header.idiag_ext |= extension(INET_DIAG_INFO);
        if (query.with_memory) header.idiag_ext |= extension(INET_DIAG_SKMEMINFO);
        header.idiag_states = query.states & tcp_states;
        if ((query.states & state_bit(State::syn_received)) != 0)
            header.idiag_states |= new_syn_recv;
        Request request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, 256 + bytecode.size());
        request.put_header(header);
        if (!bytecode.empty()) request.put(INET_DIAG_REQ_BYTECODE, bytecode);

        bool understood = true;
        const int failure = channel.ask(request, [&](std::uint16_t, Bytes payload) {
            auto socket = decode_socket(payload, netns);
            if (!socket)
                understood = false;
            else if (filter.accepts(*socket))
                sockets.push_back(*socket);
        });
        // A socket that cannot be decoded would otherwise be taken for absent.
        return failure == 0 && !understood ? EBADMSG : failure;
    }

    std::expected<std::optional<Socket>, Error> lookup(int family, const Tuple& tuple,
                                                       std::uint32_t interface) {
        inet_diag_req_v2 header{};
        header.sdiag_family = static_cast<__u8>(family);
        header.sdiag_protocol = IPPROTO_TCP;
        header.idiag_ext = extension(INET_DIAG_INFO);
        header.idiag_states = 0xffffffff;
        header.id = socket_id(tuple, interface);
        Request request(SOCK_DIAG_BY_FAMILY, 0);
        request.put_header(header);

        std::optional<Socket> found;
        bool understood = true;
        int failure = channel.ask(request, [&](std::uint16_t, Bytes payload) {
            found = decode_socket(payload, netns);
            understood = found.has_value();
        });
        if (failure == ENOENT || lacks_ipv6(family, failure)) return std::nullopt;
        if (failure == 0 && !understood) failure = EBADMSG;
        if (failure != 0)
            return std::unexpected(make_error(failure, "sock_diag lookup of a connection"));
        // If there is no such connection, the kernel returns the port's listener.
        if (found && (found->state == State::listen || found->tuple != tuple)) return std::nullopt;
        return found;
    }
};

SocketTable::SocketTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketTable::SocketTable(SocketTable&&) noexcept = default;
SocketTable& SocketTable::operator=(SocketTable&&) noexcept = default;
SocketTable::~SocketTable() = default;

std::expected<SocketTable, Error> SocketTable::open(const Netns& netns) {
    auto channel = Channel::open(netns, NETLINK_SOCK_DIAG);
    if (!channel) return std::unexpected(channel.error());
    SocketCounts counts;
    const int failure = netns.run([&] { counts = SocketCounts::open_here(); });
    if (failure != 0) return std::unexpected(make_error(failure, "entering " + netns.label()));
    return SocketTable(std::make_unique<Impl>(std::move(*channel), std::move(counts), netns.id()));
}

Dump SocketTable::dump(const SocketQuery& query) {
    const Filter filter(query);
    std::vector<std::uint8_t> bytecode =
        query.program.empty() ? compile_port_filter(query.ports) : query.program;
    const SocketCounts::Occupied occupied = impl_->counts.read();
    Dump result;
    for (const int family : {AF_INET, AF_INET6}) {
        if (!(family == AF_INET ? occupied.ipv4 : occupied.ipv6)) continue;
        const std::size_t before = result.sockets.size();
        int failure = impl_->dump_family(family, query, filter, bytecode, result.sockets);
        if (failure == EINVAL && !bytecode.empty()) {  // this kernel rejects the program
            bytecode.clear();
            result.sockets.resize(before);
            failure = impl_->dump_family(family, query, filter, bytecode, result.sockets);
        }
        if (failure != 0 && !lacks_ipv6(family, failure) && !result.error)
            result.error =
                make_error(failure, std::string("sock_diag dump of ") + family_name(family));
    }
    remove_repeats(result.sockets);
    return result;
}

std::expected<std::optional<Socket>, Error> SocketTable::lookup(
    const Tuple& tuple, const std::vector<std::uint32_t>& interfaces) {
    const int family = family_to_ask(tuple);
    auto found = impl_->lookup(family, tuple, 0);
    for (const std::uint32_t interface : interfaces) {
        if (!found || *found) break;
        found = impl_->lookup(family, tuple, interface);
    }
    return found;
}

}  // namespace connleak::netlink

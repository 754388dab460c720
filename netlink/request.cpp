#include "netlink/request.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace connleak::netlink {

namespace {

// The kernel fills at most 32 KiB per read of a dump (netlink_dump() in net/netlink/af_netlink.c);
// a single large message, such as a device with many virtual functions, may need more.
constexpr std::size_t buffer_size = std::size_t{128} * 1024;
constexpr timeval time_limit{.tv_sec = 5, .tv_usec = 0};

int open_socket(int protocol) {
    const int opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (opened >= 0)  // the option cannot fail with these arguments
        setsockopt(opened, SOL_SOCKET, SO_RCVTIMEO, &time_limit, sizeof(time_limit));
    return opened;
}

int error_in(const nlmsghdr* message) {
    // Both NLMSG_ERROR and NLMSG_DONE begin with a negative errno, or 0.
    const std::size_t length = mnl_nlmsg_get_payload_len(message);
    if (length < sizeof(int)) return message->nlmsg_type == NLMSG_ERROR ? EBADMSG : 0;
    int code = 0;
    std::memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
    return code < 0 ? -code : 0;
}

}  // namespace

Error make_error(int code, std::string_view doing) {
    return {code, fmt::format("{}: {}", doing, errno_name(code))};
}

Request::Request(std::uint16_t type, std::uint16_t flags, std::size_t room)
    : bytes_(NLMSG_HDRLEN + room) {
    nlmsghdr* const header = mnl_nlmsg_put_header(bytes_.data());
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

nlmsghdr* Request::message() {
    return reinterpret_cast<nlmsghdr*>(bytes_.data());
}

void Request::put_header(const void* header, std::size_t size) {
    std::memcpy(mnl_nlmsg_put_extra_header(message(), size), header, size);
}

void Request::put(std::uint16_t type, Bytes value) {
    // Attributes that do not fit would be a bug here; the kernel then rejects the whole message.
    mnl_attr_put_check(message(), bytes_.size(), type, value.size(), value.data());
}

void Request::put_u32(std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32_check(message(), bytes_.size(), type, value);
}

Channel::Channel(Descriptor socket)
    : socket_(std::move(socket)),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)) {}

std::expected<Channel, Error> Channel::open_here(int protocol) {
    Descriptor opened(open_socket(protocol));
    if (!opened) return std::unexpected(make_error(errno, "opening a netlink socket"));
    return Channel(std::move(opened));
}

std::expected<Channel, Error> Channel::open(const Netns& netns, int protocol) {
    Descriptor opened;
    int failure = 0;
    const int not_entered = netns.run([&] {
        opened = Descriptor(open_socket(protocol));
        if (!opened) failure = errno;
    });
    if (not_entered != 0)
        return std::unexpected(make_error(not_entered, "entering " + netns.label()));
    if (!opened) return std::unexpected(make_error(failure, "opening a netlink socket"));
    return Channel(std::move(opened));
}

int Channel::send(nlmsghdr* message) {
    message->nlmsg_seq = ++sequence_;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    while (sendto(socket_.get(), message, message->nlmsg_len, 0,
                  reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel)) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

std::expected<std::size_t, int> Channel::receive() {
    for (;;) {
        sockaddr_nl sender{};
        iovec part{buffer_.get(), buffer_size};
        msghdr message{};
        message.msg_name = &sender;
        message.msg_namelen = sizeof(sender);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t size = recvmsg(socket_.get(), &message, 0);
        if (size < 0) {
            if (errno == EINTR) continue;
            return std::unexpected(errno == EAGAIN ? ETIMEDOUT : errno);
        }
        if ((static_cast<unsigned>(message.msg_flags) & MSG_TRUNC) != 0)
            return std::unexpected(EMSGSIZE);
        if (sender.nl_pid != 0) continue;  // another process, not the kernel
        return static_cast<std::size_t>(size);
    }
}

int Channel::ask(Request& request, const OnMessage& on_message) {
    if (const int failure = send(request.message()); failure != 0) return failure;
    const bool dump = (request.message()->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    bool changed = false;
    for (;;) {
        const auto received = receive();
        if (!received) return received.error();
        int left = static_cast<int>(*received);
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.get());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            // Answers left over from an earlier, abandoned request are ignored.
            if (message->nlmsg_seq != sequence_) continue;
            if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) changed = true;
            if (message->nlmsg_type == NLMSG_ERROR) return error_in(message);
            if (message->nlmsg_type == NLMSG_DONE) {
                const int failure = error_in(message);
                return failure == 0 && changed ? EINTR : failure;
            }
            if (message->nlmsg_type < NLMSG_MIN_TYPE) continue;
            on_message(message->nlmsg_type,
                       Bytes(static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(message)),
                             mnl_nlmsg_get_payload_len(message)));
            if (!dump) return 0;
        }
    }
}

int Channel::ask_again_when_changed(Request& request, const std::function<void()>& restart,
                                    const OnMessage& on_message) {
    constexpr int tries = 5;
    int failure = EINTR;
    for (int i = 0; i < tries && failure == EINTR; ++i) {
        restart();
        failure = ask(request, on_message);
    }
    return failure;
}

}  // namespace connleak::netlink

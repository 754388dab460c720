// What the benchmark compares with: the kernel's TCP sockets of IPv4 and IPv6 in every state, with
// tcp_info, received through sock_diag and thrown away. Prints how many messages and bytes there
// were.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace {

struct Count {
    unsigned long messages = 0;
    unsigned long bytes = 0;
};

bool dump(int netlink, unsigned char family, Count& count) {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = family;
    message.request.sdiag_protocol = IPPROTO_TCP;
    message.request.idiag_ext = 1 << (INET_DIAG_INFO - 1);
    message.request.idiag_states = ~0U;
    if (send(netlink, &message, sizeof message, 0) < 0) {
        std::perror("send");
        return false;
    }
    alignas(nlmsghdr) static std::array<char, 32768> buffer;
    while (true) {
        const ssize_t received = recv(netlink, buffer.data(), buffer.size(), 0);
        if (received <= 0) {
            std::perror("recv");
            return false;
        }
        count.bytes += static_cast<unsigned long>(received);
        auto left = static_cast<unsigned int>(received);
        const char* at = buffer.data();
        while (left >= sizeof(nlmsghdr)) {
            const auto* const header = reinterpret_cast<const nlmsghdr*>(at);
            if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > left) return false;
            if (header->nlmsg_type == NLMSG_DONE) return true;
            if (header->nlmsg_type == NLMSG_ERROR) {
                std::fprintf(stderr, "the kernel refused the dump\n");
                return false;
            }
            ++count.messages;
            const unsigned int length = NLMSG_ALIGN(header->nlmsg_len);
            if (length >= left) break;
            at += length;
            left -= length;
        }
    }
}

}  // namespace

int main() {
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0) {
        std::perror("socket");
        return 1;
    }
    Count count;
    const bool whole = dump(netlink, AF_INET, count) && dump(netlink, AF_INET6, count);
    close(netlink);
    std::printf("%lu messages, %lu bytes\n", count.messages, count.bytes);
    return whole ? 0 : 1;
}

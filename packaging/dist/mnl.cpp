// The few functions of libmnl that connleak calls, for the self-contained build: Debian has no
// libmnl.a. They put headers and attributes into a buffer and walk over messages, as netlink(3)'s
// and rtnetlink(3)'s macros do.
#include <libmnl/libmnl.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr std::size_t aligned(std::size_t size) {
    return (size + 3) & ~std::size_t{3};
}

constexpr std::size_t message_header = aligned(sizeof(nlmsghdr));
constexpr std::size_t attribute_header = aligned(sizeof(nlattr));

char* end_of(nlmsghdr* message) {
    return reinterpret_cast<char*>(message) + aligned(message->nlmsg_len);
}

}  // namespace

nlmsghdr* mnl_nlmsg_put_header(void* buffer) {
    auto* message = static_cast<nlmsghdr*>(buffer);
    *message = nlmsghdr{};
    message->nlmsg_len = message_header;
    return message;
}

void* mnl_nlmsg_put_extra_header(nlmsghdr* message, size_t size) {
    char* const header = end_of(message);
    message->nlmsg_len += static_cast<std::uint32_t>(aligned(size));
    return std::memset(header, 0, aligned(size));
}

bool mnl_nlmsg_ok(const nlmsghdr* message, int left) {
    return left >= static_cast<int>(sizeof(nlmsghdr)) && message->nlmsg_len >= sizeof(nlmsghdr) &&
           message->nlmsg_len <= static_cast<std::uint32_t>(left);
}

nlmsghdr* mnl_nlmsg_next(const nlmsghdr* message, int* left) {
    auto* const here = const_cast<nlmsghdr*>(message);
    *left -= static_cast<int>(aligned(message->nlmsg_len));
    return reinterpret_cast<nlmsghdr*>(end_of(here));
}

void* mnl_nlmsg_get_payload(const nlmsghdr* message) {
    return reinterpret_cast<char*>(const_cast<nlmsghdr*>(message)) + message_header;
}

size_t mnl_nlmsg_get_payload_len(const nlmsghdr* message) {
    return message->nlmsg_len - message_header;
}

bool mnl_attr_put_check(nlmsghdr* message, size_t capacity, uint16_t type, size_t size,
                        const void* value) {
    const size_t taken = attribute_header + aligned(size);
    if (message->nlmsg_len + taken > capacity) return false;
    auto* const attribute = reinterpret_cast<nlattr*>(end_of(message));
    std::memset(attribute, 0, taken);
    attribute->nla_type = type;
    attribute->nla_len = static_cast<std::uint16_t>(attribute_header + size);
    std::memcpy(reinterpret_cast<char*>(attribute) + attribute_header, value, size);
    message->nlmsg_len += static_cast<std::uint32_t>(taken);
    return true;
}

bool mnl_attr_put_u32_check(nlmsghdr* message, size_t capacity, uint16_t type, uint32_t value) {
    return mnl_attr_put_check(message, capacity, type, sizeof value, &value);
}

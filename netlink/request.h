// The transport for everything in this folder: one netlink socket opened inside a namespace, a
// request, its answers. The callers define the bytes of a request and interpret the answers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attributes.h"
#include "netlink/netns.h"
#include "netlink/sockets/sock_diag.h"
#include "system/descriptor.h"
#include "system/errno_name.h"

struct nlmsghdr;

namespace connleak::netlink {

// {EPERM, "sock_diag dump of IPv4: EPERM"}
Error make_error(int code, std::string_view doing);

// `room`: bytes reserved for the structure and the attributes.
class Request {
  public:
    // `room`: bytes for the structure and the attributes.
    Request(std::uint16_t type, std::uint16_t flags, std::size_t room = 256);

    template <typename Header>
    void put_header(const Header& header) {
        put_header(&header, sizeof(header));
    }
    void put(std::uint16_t type, Bytes value);
    void put_u32(std::uint16_t type, std::uint32_t value);

  private:
    friend class Channel;
    void put_header(const void* header, std::size_t size);
    [[nodiscard]] nlmsghdr* message();

    std::vector<std::uint8_t> bytes_;
};

class Channel {
  public:
    // Opens it in the namespace of the calling thread. `protocol` is NETLINK_ROUTE etc.
    static std::expected<Channel, Error> open_here(int protocol);
    static std::expected<Channel, Error> open(const Netns& netns, int protocol);

    using OnMessage = std::function<void(std::uint16_t type, Bytes payload)>;

    // Sends a request and passes on every answer up to the last. Returns 0 or an errno: of the
    // system call, of the kernel's refusal (NLMSG_ERROR, or in the payload of NLMSG_DONE, which
    // libmnl 1.0.4 overlooks), ETIMEDOUT when the kernel does not answer, EINTR when the table
    // changed while it was read (NLM_F_DUMP_INTR). Answers received before the error have been
    // passed on.
    [[nodiscard]] int ask(Request& request, const OnMessage& on_message);

    // The same for a dump that can be repeated: `restart` is called before every try, and a table
    // that changed meanwhile is read again a few times.
    [[nodiscard]] int ask_again_when_changed(Request& request, const std::function<void()>& restart,
                                             const OnMessage& on_message);

  private:
    explicit Channel(Descriptor socket);
    [[nodiscard]] int send(nlmsghdr* message);
    [[nodiscard]] std::expected<std::size_t, int> receive();

    Descriptor socket_;
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::uint32_t sequence_ = 0;
};

}  // namespace connleak::netlink

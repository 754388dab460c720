// One connection to a RESP server: every step ends by its deadline, every reply is bounded, and all
// errors are returned as values. It does not know which queries are sent or what they mean.
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "diagnosis/model/address.h"
#include "probes/redis/resp_reply.h"
#include "probes/tls/tls.h"

namespace connleak::probes {

using Deadline = std::chrono::steady_clock::time_point;

enum class FailureKind : std::uint8_t {
    system,      // `number` is the errno
    silent,      // no byte came before the deadline
    unended,     // an answer began but did not end before the deadline
    closed,      // the server closed the connection instead of answering
    broken_off,  // the server closed the connection in the middle of an answer
    protocol,    // the answer is not RESP, or exceeds the bounds; `head` has its first bytes
    too_large,
    tls,  // the handshake or the session failed; `head` has the reason, for a person
};

struct RespFailure {
    FailureKind kind = FailureKind::system;
    int number = 0;
    std::string head;  // the first bytes received, raw; for FailureKind::tls the reason
};

class RespConnection {
  public:
    // Opens a socket with `open_socket(family)` and connects it to the endpoint, or to the Unix
    // socket: a path, or a NUL and an abstract name.
    static std::expected<RespConnection, RespFailure> connect(
        const Endpoint& server, const std::function<int(int)>& open_socket, Deadline deadline);
    static std::expected<RespConnection, RespFailure> connect(
        const std::string& path, const std::function<int(int)>& open_socket, Deadline deadline);

    // Switches to TLS. After a failure nothing but the handshake has been sent.
    std::optional<RespFailure> secure(const TlsUse& use, Deadline deadline);

    // Sends bytes that are not a command, and returns the first bytes received; "" for none.
    std::string first_answer(std::string_view bytes, Deadline deadline);

    // Sends a command and reads its reply, at most `most_bytes` long. After a failure the
    // connection must not be used again: a late reply would be taken for the next command's.
    std::expected<std::unique_ptr<RespReply>, RespFailure> ask(
        std::span<const std::string_view> words, std::uint64_t most_bytes, Deadline deadline);

    // Sends several commands together and passes on their replies in the same order. The commands
    // must be few and short: nothing is read until all of them are sent.
    using Command = std::vector<std::string>;
    std::optional<RespFailure> ask_all(
        std::span<const Command> commands, std::uint64_t most_bytes, Deadline deadline,
        const std::function<void(std::unique_ptr<RespReply>)>& on_reply);

    [[nodiscard]] std::uint64_t reply_bytes() const { return received_; }  // of the last reply
    // Both ends, as the kernel reports them; std::nullopt for a Unix socket.
    [[nodiscard]] std::optional<Tuple> tuple() const;

  private:
    // Closes with a reset, so that the client's port does not stay in TIME-WAIT.
    struct Descriptor {
        int number = -1;
        explicit Descriptor(int opened) : number(opened) {}
        Descriptor(Descriptor&& other) noexcept : number(std::exchange(other.number, -1)) {}
        Descriptor& operator=(Descriptor&& other) noexcept;
        ~Descriptor();
    };
    struct FreeContext {
        void operator()(redisContext* context) const;
    };

    explicit RespConnection(Descriptor descriptor);
    static std::expected<RespConnection, RespFailure> connect_to(
        std::span<const std::byte> address, int family, const std::function<int(int)>& open_socket,
        Deadline deadline);
    std::optional<RespFailure> send(std::string_view bytes, Deadline deadline);
    std::expected<std::unique_ptr<RespReply>, RespFailure> next_reply(std::uint64_t most_bytes,
                                                                      Deadline deadline);
    std::optional<RespFailure> send_encrypted(std::string_view bytes, Deadline deadline);
    std::optional<RespFailure> receive(std::uint64_t most_bytes, Deadline deadline);
    [[nodiscard]] RespFailure failure(FailureKind kind, int number = 0) const;

    Descriptor descriptor_;
    std::unique_ptr<ReplyBudget> budget_;  // the reader holds a pointer to it
    std::unique_ptr<redisContext, FreeContext> context_;
    std::unique_ptr<TlsSession> tls_;  // nullptr: plain text
    std::uint64_t received_ = 0;
    std::string head_;
};

}  // namespace connleak::probes

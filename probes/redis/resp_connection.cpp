#include "probes/redis/resp_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "probes/conversation.h"

namespace connleak::probes {

namespace {

constexpr std::size_t head_size = 256;
// connect() on a Unix socket with a full backlog does not wait, and poll(2) cannot wait for it.
constexpr std::chrono::milliseconds backlog_pause{10};

bool is_past(Deadline deadline) {
    return std::chrono::steady_clock::now() >= deadline;
}

// Waits for `events`; false if the deadline has passed.
bool wait_for(int descriptor, short events, Deadline deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd poll_entry{descriptor, events, 0};
        const auto bounded = std::min<std::int64_t>(left.count(), 1'000'000);
        if (poll(&poll_entry, 1, static_cast<int>(bounded)) > 0) return true;
    }
}

// Returns 0 or errno.
int connect_socket(int descriptor, const sockaddr* address, socklen_t size, Deadline deadline) {
    while (::connect(descriptor, address, size) != 0) {
        if (errno == EINTR || errno == EALREADY || errno == EINPROGRESS) {
            if (!wait_for(descriptor, POLLOUT, deadline)) return ETIMEDOUT;
            int error = 0;
            socklen_t length = sizeof error;
            if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
            return error;
        }
        if (errno != EAGAIN) return errno;
        if (is_past(deadline)) return ETIMEDOUT;
        std::this_thread::sleep_for(backlog_pause);
    }
    return 0;
}

// Appends the command in wire format. Returns false if out of memory.
bool append_command(std::string& bytes, std::span<const std::string_view> words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string_view word : words) {
        texts.push_back(word.data());
        sizes.push_back(word.size());
    }
    char* command = nullptr;
    // An int in 0.14, a long long since 1.1.
    const auto size = redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(),
                                             sizes.data());
    if (size < 0) return false;
    const auto length = static_cast<std::size_t>(size);
    bytes.reserve(bytes.size() +
                  length);  // a reallocation would leave a copy of the password behind
    bytes.append(command, length);
    explicit_bzero(command, length);
    redisFreeCommand(command);
    return true;
}

}  // namespace

RespConnection::Descriptor& RespConnection::Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number, other.number);
    return *this;
}

RespConnection::Descriptor::~Descriptor() {
    if (number >= 0) close(number);
}

void RespConnection::FreeContext::operator()(redisContext* context) const {
    // The descriptor has its own owner: hiredis 0.14 would not close descriptor 0.
    redisFreeKeepFd(context);
}

RespConnection::RespConnection(Descriptor descriptor)
    : descriptor_(std::move(descriptor)), budget_(std::make_unique<ReplyBudget>()) {
    context_.reset(redisConnectFd(descriptor_.number));
    if (!context_ || context_->reader == nullptr) throw std::bad_alloc();
    context_->flags &= ~REDIS_BLOCK;
    bound_reader(*context_->reader, *budget_);
}

std::expected<RespConnection, RespFailure> RespConnection::connect_to(
    std::span<const std::byte> address, int family, const std::function<int(int)>& open_socket,
    Deadline deadline) {
    const auto failed = [](int number) {
        return std::unexpected(RespFailure{FailureKind::system, number, {}});
    };
    Descriptor descriptor(open_socket(family));
    if (descriptor.number < 0) return failed(errno);
    const int flags = fcntl(descriptor.number, F_GETFL);
    if (flags < 0 || fcntl(descriptor.number, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(descriptor.number, F_SETFD, FD_CLOEXEC) != 0)
        return failed(errno);
    if (family != AF_UNIX) {
        // Set now, so that it applies however the program ends.
        const linger reset{1, 0};
        setsockopt(descriptor.number, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    const int error =
        connect_socket(descriptor.number, reinterpret_cast<const sockaddr*>(address.data()),
                       static_cast<socklen_t>(address.size()), deadline);
    if (error != 0) return failed(error);
    return RespConnection(std::move(descriptor));
}

std::expected<RespConnection, RespFailure> RespConnection::connect(
    const Endpoint& server, const std::function<int(int)>& open_socket, Deadline deadline) {
    const auto bytes = server.address.bytes();
    if (server.address.family() == Family::ipv6) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(server.port);
        std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
        return connect_to(std::as_bytes(std::span(&v6, 1)), AF_INET6, open_socket, deadline);
    }
    if (server.address.family() == Family::ipv4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(server.port);
        std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
        return connect_to(std::as_bytes(std::span(&v4, 1)), AF_INET, open_socket, deadline);
    }
    return std::unexpected(RespFailure{FailureKind::system, EADDRNOTAVAIL, {}});
}

std::expected<RespConnection, RespFailure> RespConnection::connect(
    const std::string& path, const std::function<int(int)>& open_socket, Deadline deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // An abstract name begins with a NUL, and ends at the end of the address.
    const bool abstract = path.starts_with('\0');
    if (path.size() + (abstract ? 0 : 1) > sizeof address.sun_path)
        return std::unexpected(RespFailure{FailureKind::system, ENAMETOOLONG, {}});
    std::memcpy(address.sun_path, path.data(), path.size());
    auto bytes = std::as_bytes(std::span(&address, 1));
    if (abstract) bytes = bytes.first(offsetof(sockaddr_un, sun_path) + path.size());
    return connect_to(bytes, AF_UNIX, open_socket, deadline);
}

std::optional<Tuple> RespConnection::tuple() const {
    return tuple_of(descriptor_.number);
}

RespFailure RespConnection::failure(FailureKind kind, int number) const {
    return {kind, number, head_};
}

// Does not use hiredis's output buffer: MSG_NOSIGNAL avoids SIGPIPE for users of this library, and
// the command, which can contain a password, can be wiped.
std::optional<RespFailure> RespConnection::send(std::string_view bytes, Deadline deadline) {
    if (tls_) return send_encrypted(bytes, deadline);
    while (!bytes.empty()) {
        const ssize_t sent =
            ::send(descriptor_.number, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EAGAIN || errno == EINTR) {
            if (!wait_for(descriptor_.number, POLLOUT, deadline))
                return failure(FailureKind::silent);
            continue;
        }
        // A server that refuses clients sends the reason and closes, possibly before we have sent
        // anything; its message can still be read.
        if (errno == EPIPE || errno == ECONNRESET) return std::nullopt;
        return failure(FailureKind::system, errno);
    }
    return std::nullopt;
}

// OpenSSL writes without MSG_NOSIGNAL: the program ignores SIGPIPE.
std::optional<RespFailure> RespConnection::send_encrypted(std::string_view bytes,
                                                          Deadline deadline) {
    while (!bytes.empty()) {
        std::size_t taken = 0;
        switch (tls_->write(bytes, taken)) {
            case TlsStep::done:
                bytes.remove_prefix(taken);
                break;
            case TlsStep::wait_to_read:
            case TlsStep::wait_to_write:
                if (!wait_for(descriptor_.number, POLLOUT, deadline))
                    return failure(FailureKind::silent);
                break;
            case TlsStep::closed:
                return std::nullopt;  // as above: the message can still be read
            case TlsStep::failed:
                return RespFailure{FailureKind::tls, 0, tls_->explain()};
        }
    }
    return std::nullopt;
}

std::optional<RespFailure> RespConnection::secure(const TlsUse& use, Deadline deadline) {
    auto session = TlsSession::begin(*context_, use);
    if (!session && session.error().empty()) return failure(FailureKind::closed);
    if (!session) return RespFailure{FailureKind::tls, 0, session.error()};
    tls_ = std::move(*session);
    for (;;) {
        if (is_past(deadline)) return failure(FailureKind::silent);
        const TlsStep step = tls_->shake_hands();
        if (step == TlsStep::done) return std::nullopt;
        const bool waits = step == TlsStep::wait_to_read || step == TlsStep::wait_to_write;
        if (!waits) {
            std::string why = tls_->explain();
            if (why.empty() && step == TlsStep::closed) return failure(FailureKind::closed);
            return RespFailure{FailureKind::tls, 0, std::move(why)};
        }
        if (!wait_for(descriptor_.number, step == TlsStep::wait_to_read ? POLLIN : POLLOUT,
                      deadline))
            return failure(FailureKind::silent);
    }
}

std::string RespConnection::first_answer(std::string_view bytes, Deadline deadline) {
    if (send(bytes, deadline) || !wait_for(descriptor_.number, POLLIN, deadline)) return {};
    std::array<char, head_size> answer{};
    const ssize_t got = ::recv(descriptor_.number, answer.data(), answer.size(), MSG_DONTWAIT);
    return {answer.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::optional<RespFailure> RespConnection::receive(std::uint64_t most_bytes, Deadline deadline) {
    const redisReader& reader = *context_->reader;
    const auto late = [this] {
        return failure(received_ == 0 ? FailureKind::silent : FailureKind::unended);
    };
    // Checked in every round, so that a continuous stream of data cannot bypass the deadline.
    if (is_past(deadline)) return late();
    const bool unread = tls_ && tls_->prepare_to_read();
    if (!unread && !wait_for(descriptor_.number, POLLIN, deadline)) return late();
    const std::size_t before = reader.len;
    if (redisBufferRead(context_.get()) != REDIS_OK) {
        const int error = context_->err == REDIS_ERR_IO ? errno : 0;
        if (std::string why = tls_ ? tls_->explain() : std::string(); !why.empty())
            return RespFailure{FailureKind::tls, 0, std::move(why)};
        if (context_->err == REDIS_ERR_EOF || error == ECONNRESET)
            return failure(received_ == 0 ? FailureKind::closed : FailureKind::broken_off, error);
        return failure(FailureKind::system, error == 0 ? ENOMEM : error);
    }
    const std::size_t added = reader.len - before;
    if (head_.size() < head_size)
        head_.append(reader.buf + before, std::min(added, head_size - head_.size()));
    received_ += added;
    if (received_ > most_bytes) return failure(FailureKind::too_large);
    return std::nullopt;
}

std::expected<std::unique_ptr<RespReply>, RespFailure> RespConnection::next_reply(
    std::uint64_t most_bytes, Deadline deadline) {
    received_ = 0;
    head_.clear();
    *budget_ = {};
    for (;;) {
        void* reply = nullptr;
        // Not redisGetReply(): in 1.x it accesses the reply as its own redisReply.
        if (redisReaderGetReply(context_->reader, &reply) != REDIS_OK)
            return std::unexpected(failure(FailureKind::protocol));
        if (reply != nullptr) return std::unique_ptr<RespReply>(static_cast<RespReply*>(reply));
        if (const auto failed = receive(most_bytes, deadline)) return std::unexpected(*failed);
    }
}

std::expected<std::unique_ptr<RespReply>, RespFailure> RespConnection::ask(
    std::span<const std::string_view> words, std::uint64_t most_bytes, Deadline deadline) {
    // Unrequested data would be taken for the answer to this command.
    if (context_->reader->pos < context_->reader->len)
        return std::unexpected(failure(FailureKind::protocol));
    received_ = 0;
    head_.clear();
    std::string bytes;
    if (!append_command(bytes, words)) return std::unexpected(failure(FailureKind::system, ENOMEM));
    const auto unsent = send(bytes, deadline);
    explicit_bzero(bytes.data(), bytes.size());
    if (unsent) return std::unexpected(*unsent);
    return next_reply(most_bytes, deadline);
}

std::optional<RespFailure> RespConnection::ask_all(
    std::span<const Command> commands, std::uint64_t most_bytes, Deadline deadline,
    const std::function<void(std::unique_ptr<RespReply>)>& on_reply) {
    if (context_->reader->pos < context_->reader->len) return failure(FailureKind::protocol);
    received_ = 0;
    head_.clear();
    std::string bytes;
    for (const Command& command : commands) {
        const std::vector<std::string_view> words(command.begin(), command.end());
        if (!append_command(bytes, words)) return failure(FailureKind::system, ENOMEM);
    }
    if (auto unsent = send(bytes, deadline)) return unsent;
    for (std::size_t count = 0; count < commands.size(); ++count) {
        auto reply = next_reply(most_bytes, deadline);
        if (!reply) return reply.error();
        on_reply(std::move(*reply));
    }
    return std::nullopt;
}

}  // namespace connleak::probes

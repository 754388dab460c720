#include "probes/conversation.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "probes/mysql/mysql.h"
#include "probes/redis/redis.h"

namespace connleak::probes {

namespace {

std::optional<Endpoint> endpoint_of(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
        return Endpoint{Address::from_bytes(bytes), ntohs(v4.sin_port)};
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
        return Endpoint{Address::from_bytes(bytes), ntohs(v6.sin6_port)};
    }
    return std::nullopt;
}

}  // namespace

OpenSocket open_inside(const RunInside& inside) {
    return [inside](int family) {
        int descriptor = -1;
        int error = 0;
        const int kept_out = inside([&] {
            descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
            error = errno;
        });
        errno = kept_out != 0 ? kept_out : error;
        return descriptor;
    };
}

std::optional<std::int32_t> peer_of(int descriptor) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0)
        return std::nullopt;
    return peer.pid;
}

std::optional<Tuple> tuple_of(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::nullopt;
    const auto local = endpoint_of(address);
    size = sizeof address;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::nullopt;
    const auto remote = endpoint_of(address);
    if (!local || !remote) return std::nullopt;
    return Tuple{*local, *remote};
}

std::unique_ptr<Conversation> make_conversation(ServerKind kind, std::string scope,
                                                Credentials credentials, Limits limits,
                                                TlsUse tls) {
    // The only place that lists all protocols; a kind without a case here does not compile.
    switch (kind) {
        case ServerKind::redis:
        case ServerKind::valkey:
        case ServerKind::keydb:
        case ServerKind::dragonfly:
            return std::make_unique<RedisConversation>(std::move(scope), std::move(credentials),
                                                       limits, std::move(tls));
        case ServerKind::mysql:
        case ServerKind::mariadb:
            return std::make_unique<MysqlConversation>(std::move(scope), std::move(credentials),
                                                       limits);
        case ServerKind::tcp:
            break;
    }
    return nullptr;
}

}  // namespace connleak::probes

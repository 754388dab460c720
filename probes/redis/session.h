// The state that a conversation keeps between queries: the connection, the time left, and how to
// recognize its own row. Internal to probes/redis*.
#pragma once

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/redis/redis.h"
#include "probes/redis/resp_connection.h"
#include "probes/time_budget.h"

namespace connleak::probes {

// The limit of every answer but CLIENT LIST. The longest of them is INFO: one line per database.
constexpr std::uint64_t most_small_bytes = 4U << 20U;

struct RedisSession {
    using Result = std::expected<std::unique_ptr<RespReply>, RespFailure>;
    using Words = std::initializer_list<std::string_view>;

    std::string scope;
    Credentials credentials;
    Limits limits;
    OpenSocket open_socket;
    Endpoint server;
    std::string path;  // of a Unix socket, instead of `server`
    TlsUse tls;

    std::optional<RespConnection> connection;
    TimeBudget time;

    std::optional<std::uint64_t> own_id;
    std::optional<Endpoint> own_address;

    RedisSession(std::string scope_, const Credentials& credentials_, Limits limits_);
    RedisSession(const RedisSession&) = delete;
    RedisSession& operator=(const RedisSession&) = delete;
    ~RedisSession();  // wipes the password

    // Connects, and if TLS is used does the handshake: one step each.
    std::expected<RespConnection, RespFailure> connect();
    // Whether a server that does not answer plain text answers a TLS handshake, on a separate
    // connection.
    bool answers_tls();
    // Whether a server that does not answer a TLS handshake answers a plain-text PING.
    bool answers_plain_text();
    Result put(RespConnection& to, Words words, std::uint64_t most_bytes);
    Result log_in(RespConnection& to);
    // Sends several commands together, in one step. Returns the replies received; if some are
    // missing the connection is closed.
    using Replies = std::vector<std::unique_ptr<RespReply>>;
    Replies put_all(std::span<const RespConnection::Command> commands, std::uint64_t most_bytes);
    [[nodiscard]] std::vector<ServerClient>::iterator find_own(
        std::vector<ServerClient>& clients) const;
};

}  // namespace connleak::probes

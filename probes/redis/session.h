// What a conversation with one server keeps between its questions: the connection, the time that is
// left, and how its own row is known. Internal to probes/redis*.
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

// Of every answer but CLIENT LIST. INFO is the longest of them: a line per database.
constexpr std::uint64_t most_small_bytes = 4U << 20U;

struct RedisSession {
    using Result = std::expected<std::unique_ptr<RespReply>, RespFailure>;
    using Words = std::initializer_list<std::string_view>;

    std::string scope;
    Credentials credentials;
    Limits limits;
    OpenSocket open_socket;
    Endpoint server;
    std::string path;  // instead of `server`, for a unix socket
    TlsUse tls;

    std::optional<RespConnection> connection;
    TimeBudget time;

    std::optional<std::uint64_t> own_id;
    std::optional<Endpoint> own_address;

    RedisSession(std::string scope_, const Credentials& credentials_, Limits limits_);
    RedisSession(const RedisSession&) = delete;
    RedisSession& operator=(const RedisSession&) = delete;
    ~RedisSession();  // wipes the password

    // Connects, and where it is to be by TLS shakes hands: a step each.
    std::expected<RespConnection, RespFailure> connect();
    // Whether a server that says nothing to plain text answers a TLS handshake, on a connection of
    // its own.
    bool answers_tls();
    // The other way round: whether one that says nothing to a TLS handshake answers a PING.
    bool answers_plain_text();
    Result put(RespConnection& to, Words words, std::uint64_t most_bytes);
    Result log_in(RespConnection& to);
    // Several commands, sent together, in one step. The replies that came; when some are missing
    // the connection is given up.
    using Replies = std::vector<std::unique_ptr<RespReply>>;
    Replies put_all(std::span<const RespConnection::Command> commands, std::uint64_t most_bytes);
    [[nodiscard]] std::vector<ServerClient>::iterator find_own(
        std::vector<ServerClient>& clients) const;
};

}  // namespace connleak::probes

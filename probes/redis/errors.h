// Error messages of a server: one line for a person and a code for a program.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "probes/redis/resp_connection.h"

namespace connleak::probes {

enum class Refusal : std::uint8_t {
    at_limit,        // -ERR max number of clients reached
    protected_mode,  // -DENIED
    needs_login,     // -NOAUTH
    no_login_known,  // AUTH where no password is set
    other,           // NOPERM, unknown command, LOADING, BUSY, ...
};

Refusal classify(std::string_view error_reply);

// An error, for the gap and for the answer.
struct RedisError {
    std::string code;     // for Gap::error: "NOPERM", "ETIMEDOUT"
    std::string message;  // for ServerAnswer::error
};

RedisError error_of_reply(std::string_view error_reply, std::string_view password);

struct FailureContext {
    bool first = true;                    // no answer came on this connection before
    std::chrono::milliseconds timeout{};  // how long the step waited
    std::uint64_t most_bytes = 0;
    std::string_view password;
    bool by_tls = false;
};
RedisError error_of_failure(const RespFailure& failure, const FailureContext& context);

// The server speaks TLS, but the query was plain text.
RedisError speaks_tls();
// The query was TLS, but the server speaks plain text.
RedisError speaks_no_tls();

// "this is not a Redis server: …"
RedisError not_redis(std::string_view head, std::string_view password);

}  // namespace connleak::probes

// The state of a RedisConversation. Internal to probes/redis*.
#pragma once

#include "probes/redis/session.h"

namespace connleak::probes {

// A separate type, so that redis.h does not depend on it.
struct RedisConversation::Impl : RedisSession {
    using RedisSession::RedisSession;
    ServerAnswer converse();
    std::optional<std::int32_t> peer_pid;
    std::string run_id;  // as reported by the server
};

}  // namespace connleak::probes

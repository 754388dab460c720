// What a RedisConversation is made of. Internal to probes/redis*.
#pragma once

#include "probes/redis/session.h"

namespace connleak::probes {

// An own type, so that redis.h need not know it.
struct RedisConversation::Impl : RedisSession {
    using RedisSession::RedisSession;
    ServerAnswer converse();
    std::optional<std::int32_t> peer_pid;
    std::string run_id;  // that the server told
};

}  // namespace connleak::probes

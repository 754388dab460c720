// What a RedisConversation is made of. Internal to probes/redis*.
#pragma once

#include "probes/redis_session.h"

namespace connleak::probes {

// An own type, so that redis.h need not know it.
struct RedisConversation::Impl : RedisSession {
    using RedisSession::RedisSession;
    ServerAnswer converse();
};

}  // namespace connleak::probes

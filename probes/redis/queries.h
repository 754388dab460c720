// The queries to a Redis-compatible server, in their order, and the handling of answers and errors.
// Internal to probes/redis*.
#pragma once

#include "diagnosis/model/records.h"
#include "probes/redis/session.h"

namespace connleak::probes {

// Connects, logs in and sends the queries; fills `answer`. Call it within a turn of the session's
// time.
void run_queries(RedisSession& session, ServerAnswer& answer);

}  // namespace connleak::probes

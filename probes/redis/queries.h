// The questions that a Redis-compatible server is asked, in their order, and what is made of the
// answers and of the refusals. Internal to probes/redis*.
#pragma once

#include "diagnosis/model/records.h"
#include "probes/redis/session.h"

namespace connleak::probes {

// Connects, logs in and asks; fills `answer`. Within a turn of its time.
void run_queries(RedisSession& session, ServerAnswer& answer);

}  // namespace connleak::probes

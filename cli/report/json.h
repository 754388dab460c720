// The report as JSON (schema_version 1, man/connleak-report.schema.json).
#pragma once

#include <cstdint>
#include <string>

#include "cli/render/sink.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

// What a report says of the run itself.
struct Head {
    std::string generated_at;         // RFC 3339, UTC
    std::int64_t generated_at_s = 0;  // the same, seconds since the epoch
    std::string host_name;
    std::string kernel;
    std::string boot_id;
    double wall_ms = 0;
    double redis_ms = 0;
    std::uint64_t sockets_read = 0;
};

// Ends with a newline. Always valid UTF-8: broken bytes become U+FFFD.
void to_json(const Head& head, const Sample& sample, const Report& report, const Sink& sink);

// "2026-11-20T22:35:55Z" of seconds since the epoch.
std::string rfc3339(std::int64_t seconds);
// "2026-11-20T22:35:55.250Z" of milliseconds since the epoch.
std::string rfc3339_ms(std::int64_t milliseconds);

}  // namespace connleak::render

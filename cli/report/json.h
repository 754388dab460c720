// The report as JSON (man/connleak-report.schema.json).
#pragma once

#include <cstdint>
#include <string>

#include "cli/render/sink.h"
#include "diagnosis/model/report.h"
#include "diagnosis/model/run_facts.h"

namespace connleak::render {

// Ends with a newline. Always valid UTF-8: invalid bytes become U+FFFD.
void to_json(const RunFacts& head, const Sample& sample, const Report& report, const Sink& sink);

// "2026-11-20T22:35:55Z" of seconds since the epoch.
std::string rfc3339(std::int64_t seconds);
// When the report was made; "" when that is not known.
std::string generated_at(const RunFacts& facts);
// "2026-11-20T22:35:55.250Z" of milliseconds since the epoch.
std::string rfc3339_ms(std::int64_t milliseconds);

}  // namespace connleak::render

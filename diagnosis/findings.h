// What is wrong, how bad it is, and what to do about it, the step that harms nobody first.
#pragma once

#include <vector>

#include "diagnosis/report.h"

namespace connleak {

// By severity within each server, critical first. Counts, holders and groups of `report` must be
// filled.
std::vector<Finding> find_problems(const Sample& sample, const Policy& policy,
                                   const Report& report);

// How a person types the server's name as a TARGET: ":6379", "10.0.0.1:6379",
// "tcp://10.0.0.1:9092".
std::string target_text(const Server& server);

// Clients that the server can really take: maxclients, or less where its descriptors do not suffice
// (Redis keeps 32 for itself, CONFIG_MIN_RESERVED_FDS).
std::optional<std::uint64_t> client_limit(const Server& server);

}  // namespace connleak

// Converts one item of a snapshot's lists from JSON to its record.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "collect/snapshot/parse.h"

namespace connleak::collect {

// "" if it is absent or not a text.
std::string text_of(const nlohmann::json& object, const char* name);
std::optional<Tuple> tuple_of(const nlohmann::json& socket);
// The error is a phrase about what is missing or wrong.
std::expected<Namespace, std::string> namespace_of(const nlohmann::json& object);
std::expected<Socket, std::string> socket_of(const nlohmann::json& object);
std::optional<TrackedConnection> translation_of(const nlohmann::json& object);
std::optional<Process> process_of(const nlohmann::json& object);
// Adds the socket's owners to `processes`, including what the socket's item says about owners that
// are not in it yet.
void take_owners(const nlohmann::json& socket, const Socket& record, Processes& processes);
void read_clock(const nlohmann::json& clock, ParsedSnapshot& into);

}  // namespace connleak::collect

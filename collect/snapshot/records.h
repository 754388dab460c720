// One item of a snapshot's lists, as JSON, to its record.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "collect/snapshot/parse.h"

namespace connleak::collect {

// "" when it is absent or no text.
std::string text_of(const nlohmann::json& object, const char* name);
std::optional<Tuple> tuple_of(const nlohmann::json& socket);
// What is missing or wrong, as a phrase.
std::expected<Namespace, std::string> namespace_of(const nlohmann::json& object);
std::expected<Socket, std::string> socket_of(const nlohmann::json& object);
std::optional<TrackedConnection> translation_of(const nlohmann::json& object);
std::optional<Process> process_of(const nlohmann::json& object);
// Puts the socket's owners into `processes`, and those that it does not know yet with what the
// socket tells of them.
void take_owners(const nlohmann::json& socket, const Socket& record, Processes& processes);
void read_clock(const nlohmann::json& clock, ParsedSnapshot& into);

}  // namespace connleak::collect

// Decodes the answers of Redis-compatible servers: INFO and CLIENT LIST of every version since 2.8.
// The bytes come unchecked from the network; unknown fields are ignored.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// "key:value" lines; comments and other lines are ignored. The views point into `text`.
std::unordered_map<std::string_view, std::string_view> parse_info(std::string_view text);

// Fills the fields of `answer` that INFO contains: kind, version, run_id, process_id, uptime,
// client counts, maxclients and rejected connections.
void apply_info(std::string_view text, ServerAnswer& answer);

// One line per client. A line without `addr` or with broken numbers is read as far as possible; a
// line that is no client row is dropped and counted.
struct ClientList {
    std::vector<ServerClient> clients;
    std::size_t dropped_lines = 0;
};
ClientList parse_client_list(std::string_view text);

}  // namespace connleak::probes

// The texts that Redis and its kin answer with, decoded: INFO and CLIENT LIST of every version
// from 2.8 on. Takes bytes from the network as they come; a field it does not know is passed over.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// "key:value" lines; comments and everything else are passed over. Views into `text`.
std::unordered_map<std::string_view, std::string_view> parse_info(std::string_view text);

// Fills the facts of `answer` that INFO tells: kind, version, run_id, process_id, uptime, client
// counts, maxclients and rejected connections.
void apply_info(std::string_view text, ServerAnswer& answer);

// A line per client. A line without `addr` or with broken numbers gives what can be read; a line
// that is no client row at all is dropped and counted.
struct ClientList {
    std::vector<ServerClient> clients;
    std::size_t dropped_lines = 0;
};
ClientList parse_client_list(std::string_view text);

}  // namespace connleak::probes

// What is wrong, how bad it is, and what to do about it, the step that harms nobody first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/report.h"

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

// How many of them are taken: by clients, by replicas, which INFO counts apart, and by the links of
// a cluster. Where the server's own count cannot be right, its list is counted.
std::optional<std::uint64_t> client_slots(const Server& server);
// ", with 2 replicas and 4 links of the cluster"; "" where there are none.
std::string others_in_slots(const Server& server);

// From the first on a person should look, from the second on something is about to be refused.
inline constexpr std::uint64_t clients_warning_percent = 80;
inline constexpr std::uint64_t clients_critical_percent = 95;
inline constexpr std::uint64_t ports_warning_percent = 60;
inline constexpr std::uint64_t ports_critical_percent = 85;

// How many of its ephemeral ports (net.ipv4.ip_local_port_range) one address of a host in sight
// uses for connections to one end of a server: each pair of ends has the whole range to itself.
struct PortUse {
    NetnsId netns = 0;
    Address from;
    Endpoint to;
    std::uint64_t used = 0;
    std::uint64_t range = 0;  // above 0
};

// The one that is nearest to the end of its ports. std::nullopt: no client's side of the server's
// connections is in sight, or no range could be read.
std::optional<PortUse> fullest_ports(const Sample& sample, const Report& report,
                                     std::size_t server);

}  // namespace connleak

// What is wrong, how bad it is, and what to do about it, the safest step first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

// Sorted by severity within each server, critical first. Counts, holders and groups of `report`
// must be filled.
std::vector<Finding> find_problems(const Sample& sample, const Policy& policy,
                                   const Report& report);

// The server as a TARGET argument: ":6379", "10.0.0.1:6379", "tcp://10.0.0.1:9092".
std::string target_text(const Server& server);

// The number of clients that the server can really take: maxclients, or less if its descriptor
// limit is too low (Redis reserves 32 for itself, CONFIG_MIN_RESERVED_FDS).
std::optional<std::uint64_t> client_limit(const Server& server);

// How many of them are in use: by clients, by replicas (which INFO counts separately), and by
// cluster links. If the server's own count cannot be right, its list is counted.
std::optional<std::uint64_t> client_slots(const Server& server);
// ", with 2 replicas and 4 links of the cluster"; "" where there are none.
std::string others_in_slots(const Server& server);

// warning: should be looked at. critical: something is about to be refused.
inline constexpr std::uint64_t clients_warning_percent = 80;
inline constexpr std::uint64_t clients_critical_percent = 95;
inline constexpr std::uint64_t ports_warning_percent = 60;
inline constexpr std::uint64_t ports_critical_percent = 85;

// How many ephemeral ports (net.ipv4.ip_local_port_range) one address of a host in sight uses for
// connections to one endpoint of a server. Each pair of addresses has the whole range.
struct PortUse {
    NetnsId netns = 0;
    Address from;
    Endpoint to;
    std::uint64_t used = 0;
    std::uint64_t range = 0;  // greater than 0
};

// The one closest to running out of ports. std::nullopt: no client side of the server's connections
// is in sight, or no port range could be read.
std::optional<PortUse> fullest_ports(const Sample& sample, const Report& report,
                                     std::size_t server);

}  // namespace connleak

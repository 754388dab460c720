// A server's place in a cluster or a replication setup, from INFO.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak {

enum class ServerMode : std::uint8_t { unknown, standalone, cluster, sentinel };
enum class ServerRole : std::uint8_t { unknown, master, replica };  // unknown for a Sentinel

struct ServerTopology {
    ServerMode mode = ServerMode::unknown;
    ServerRole role = ServerRole::unknown;
    std::optional<Endpoint> master;      // of a replica, when INFO gives an address
    std::optional<bool> master_link_up;  // of a replica
    std::vector<Endpoint> replicas;      // of a master: where each replica listens
    std::optional<std::uint64_t> connected_replicas;
    std::optional<std::uint64_t> cluster_connections;  // bus links, both directions
    std::optional<std::uint16_t> cluster_port;  // the bus port, when it is not client port + 10000
};

// INFO's words, but "replica" where older versions say "slave"; "" for unknown.
std::string_view to_string(ServerMode mode);
std::string_view to_string(ServerRole role);

}  // namespace connleak

// What a server is among its like: as INFO tells of clusters, Sentinels, masters and replicas.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak {

enum class ServerMode : std::uint8_t { unknown, standalone, cluster, sentinel };
enum class ServerRole : std::uint8_t { unknown, master, replica };  // a Sentinel has none

struct ServerTopology {
    ServerMode mode = ServerMode::unknown;
    ServerRole role = ServerRole::unknown;
    std::optional<Endpoint> master;      // of a replica, where INFO names it by address
    std::optional<bool> master_link_up;  // of a replica
    std::vector<Endpoint> replicas;      // of a master: where each of them listens
    std::optional<std::uint64_t> connected_replicas;
    std::optional<std::uint64_t> cluster_connections;  // links of the bus, of both directions
    std::optional<std::uint16_t> cluster_port;         // of the bus, where it is not 10000 above
};

// The words of INFO, "replica" for what older versions call a slave; "" for what is not known.
std::string_view to_string(ServerMode mode);
std::string_view to_string(ServerRole role);

}  // namespace connleak

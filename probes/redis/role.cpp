#include "probes/redis/role.h"

#include <charconv>
#include <string>

namespace connleak::probes {

namespace {

// More replicas than any master has; the limit is needed because the list comes from the network.
constexpr int most_replicas = 1000;

template <typename Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<Endpoint> endpoint(std::string_view host, std::string_view port) {
    const auto address = Address::parse(host);
    const auto parsed = number<std::uint16_t>(port);
    if (!address || !parsed) return std::nullopt;
    return Endpoint{*address, *parsed};
}

// "ip=10.0.0.2,port=6379,state=online,offset=14,lag=0". Before 2.8: "10.0.0.2,6379,online".
std::optional<Endpoint> replica_of_line(std::string_view line) {
    const auto take = [&line] {
        const std::string_view part = line.substr(0, line.find(','));
        line.remove_prefix(std::min(line.size(), part.size() + 1));
        return part;
    };
    std::string_view host = take();
    std::string_view port = take();
    if (host.starts_with("ip=")) host.remove_prefix(3);
    if (port.starts_with("port=")) port.remove_prefix(5);
    return endpoint(host, port);
}

ServerMode mode_of(std::string_view text) {
    if (text == "standalone") return ServerMode::standalone;
    if (text == "cluster") return ServerMode::cluster;
    return text == "sentinel" ? ServerMode::sentinel : ServerMode::unknown;
}

}  // namespace

ServerTopology parse_topology(const std::unordered_map<std::string_view, std::string_view>& info) {
    const auto field = [&info](std::string_view name) {
        const auto found = info.find(name);
        return found == info.end() ? std::string_view{} : found->second;
    };
    ServerTopology topology;
    // Valkey's name for the field; with extended-redis-compatibility it uses Redis's name.
    topology.mode =
        mode_of(field("redis_mode").empty() ? field("server_mode") : field("redis_mode"));
    const std::string_view role = field("role");
    if (role == "master") topology.role = ServerRole::master;
    if (role == "slave" || role == "replica") {
        topology.role = ServerRole::replica;
        topology.master = endpoint(field("master_host"), field("master_port"));
        const std::string_view link = field("master_link_status");
        if (!link.empty()) topology.master_link_up = link == "up";
    }
    topology.connected_replicas = number<std::uint64_t>(field("connected_slaves"));
    topology.cluster_connections = number<std::uint64_t>(field("cluster_connections"));
    for (int at = 0; at < most_replicas; ++at) {
        const auto line = info.find("slave" + std::to_string(at));
        if (line == info.end()) break;
        if (const auto replica = replica_of_line(line->second))
            topology.replicas.push_back(*replica);
    }
    return topology;
}

}  // namespace connleak::probes

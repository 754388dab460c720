#include "collect/servers/cluster_bus.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "diagnosis/model/server_family.h"

namespace connleak::collect {

namespace {

bool has_port(const std::vector<Endpoint>& ends, std::uint16_t port) {
    return std::ranges::find(ends, port, &Endpoint::port) != ends.end();
}

void move_port(std::uint16_t port, std::vector<Endpoint>& from, std::vector<Endpoint>& to) {
    std::ranges::copy_if(from, std::back_inserter(to),
                         [port](const Endpoint& end) { return end.port == port; });
    std::erase_if(from, [port](const Endpoint& end) { return end.port == port; });
}

void take_back(Server& server) {
    std::ranges::move(server.bus, std::back_inserter(server.listening));
    server.bus.clear();
}

}  // namespace

void part_links(Server& server) {
    const ServerFamily::Links& links = family_of(server.kind).links;
    std::set<std::uint16_t> ports;
    for (const Endpoint& end : server.listening) ports.insert(end.port);
    for (const std::uint16_t port : ports)
        if (links.above > 0 && port > links.above &&
            ports.contains(static_cast<std::uint16_t>(port - links.above)))
            move_port(port, server.listening, server.bus);
    for (const std::uint16_t port : links.ports)
        if (server.listening.size() > 1) move_port(port, server.listening, server.bus);
}

void keep_port(std::uint16_t port, Server& server) {
    move_port(port, server.bus, server.listening);
}

std::vector<Server> with_settled_bus(std::vector<Server> servers) {
    for (Server& server : servers) {
        const ServerTopology& topology = server.answer.topology;
        if (topology.mode == ServerMode::unknown) continue;
        take_back(server);
        if (topology.mode != ServerMode::cluster) continue;
        if (topology.cluster_port)
            move_port(*topology.cluster_port, server.listening, server.bus);
        else
            part_links(server);
        // A server named by its bus port is renamed to its client port.
        if (has_port(server.bus, server.endpoint.port) && !server.listening.empty())
            server.endpoint.port = server.listening.front().port;
    }
    return servers;
}

std::vector<Server> with_bus_links(std::vector<Server> servers,
                                   const std::vector<Socket>& sockets) {
    for (Server& server : servers) {
        if (server.bus.empty()) continue;
        server.bus_links =
            static_cast<std::uint64_t>(std::ranges::count_if(sockets, [&](const Socket& socket) {
                return socket.netns == server.netns && socket.state == State::established &&
                       has_port(server.bus, socket.tuple.local.port);
            }));
    }
    return servers;
}

}  // namespace connleak::collect

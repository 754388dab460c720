// MariaDB in a world: its process list tells no address that it was reached by, no descriptors, and
// names in place of addresses where it resolves them.
#pragma once

#include <random>

#include "tests/unit/worlds/world.h"

namespace connleak::test {

inline std::size_t as_mariadb(World& world, std::size_t server) {
    world.sample.servers[server].kind = world.answer(server).kind = ServerKind::mariadb;
    world.answer(server).own_local_seen.reset();
    return server;
}

inline std::size_t mariadb(World& world, NetnsId where, std::string_view endpoint,
                           std::int32_t pid = 500) {
    const std::size_t server = world.redis(where, endpoint, pid);
    world.process(pid, "mariadbd", where);
    return as_mariadb(world, server);
}

// One elsewhere, asked from `from`.
inline std::size_t remote_mariadb(World& world, NetnsId from, std::string_view endpoint) {
    return as_mariadb(world, world.remote_redis(from, endpoint));
}

// The row of a connection as a process list has it.
inline ServerClient& thread(World& world, const Pair& pair) {
    const std::optional<Endpoint> client = pair.server_tuple.remote;
    ServerClient& row =
        *std::ranges::find(world.answer(pair.server).clients, client, &ServerClient::address);
    row.local_address.reset();
    row.fd.reset();
    row.command = "Sleep";
    return row;
}

// The same, naming the host, in both looks. "connecting host" tells no port.
inline ServerClient& thread_by_name(World& world, const Pair& pair, std::string name = "web1") {
    ServerClient& row = thread(world, pair);
    if (name != "connecting host") row.host_port = row.address->port;
    row.host_name = std::move(name);
    row.address.reset();
    world.lists[pair.server]->erase(pair.server_tuple.remote);
    world.named[pair.server].add(row);
    return row;
}

// Makes of a server that was asked a MariaDB which resolves some of its clients' addresses, in both
// lists; our own row may be one of these. Who is just connecting has not even a port, and what a
// thread waits at can be any socket of the server.
inline void resolve_names(World& world, std::size_t server, bool own_address_seen,
                          std::mt19937_64& random) {
    const auto coin = [&](int percent) {
        return std::uniform_int_distribution<int>(0, 99)(random) < percent;
    };
    as_mariadb(world, server);
    if (!own_address_seen && coin(30)) world.answer(server).own_address_seen.reset();
    const auto name = [&](ServerClient& row) {
        row.local_address.reset();
        const bool connecting = coin(2);
        if (!connecting && row.address->address.bytes().back() % 2 == 0) return;
        row.host_name = connecting ? "connecting host" : "web" + row.address->address.text();
        if (!connecting) row.host_port = row.address->port;
        row.address.reset();
        if (coin(40)) row.fd = std::uniform_int_distribution<int>(101'001, 101'060)(random);
    };
    for (ServerClient& row : world.answer(server).clients) name(row);
    std::set<Endpoint>& again = *world.lists[server];
    for (const Endpoint& client : std::set<Endpoint>(again)) {
        ServerClient row;
        row.address = client;
        name(row);
        if (row.address) continue;
        again.erase(client);
        world.named[server].add(row);
    }
}

// The descriptor by which the server holds the connection.
inline std::int32_t descriptor(World& world, const Pair& pair) {
    const Socket& socket = world.seen(pair.server_netns, pair.server_tuple);
    return world.sample.processes.owners.at(socket.inode).front().fd;
}

}  // namespace connleak::test

#include "collect/servers/listeners.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "collect/unix_sockets.h"

namespace connleak::collect {

Read<std::vector<Socket>> read_listening_sockets(Namespaces& namespaces) {
    netlink::SocketQuery query;
    query.states = state_bit(State::listen);
    query.with_info = false;
    return namespaces.read_sockets(query);
}

Listeners read_listeners(Namespaces& namespaces) {
    Listeners listeners;
    auto tcp = read_listening_sockets(namespaces);
    listeners.tcp = std::move(tcp.value);
    listeners.gaps = std::move(tcp.gaps);

    UnixTables tables = dump_unix_sockets(namespaces);
    std::ranges::move(tables.gaps, std::back_inserter(listeners.gaps));
    for (UnixSocket& socket : tables.sockets) {
        if (socket.type == UnixType::datagram || socket.name.empty()) continue;
        (socket.socket.state == State::listen ? listeners.unix_listening : listeners.unix_connected)
            .push_back(std::move(socket));
    }

    std::unordered_set<std::uint32_t> inodes;
    for (const Socket& socket : listeners.tcp) inodes.insert(socket.inode);
    for (const UnixSocket& socket : listeners.unix_listening) inodes.insert(socket.socket.inode);
    listeners.processes = probes::find_server_processes(inodes);
    return listeners;
}

std::unordered_set<std::uint32_t> accepted_by_unix(const Listeners& listeners) {
    std::unordered_set<std::string_view> names;
    for (const UnixSocket& socket : listeners.unix_listening) names.insert(socket.name);
    std::unordered_set<std::uint32_t> inodes;
    for (const UnixSocket& socket : listeners.unix_connected)
        if (names.contains(socket.name)) inodes.insert(socket.socket.inode);
    return inodes;
}

}  // namespace connleak::collect

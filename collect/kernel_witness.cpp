#include "collect/kernel_witness.h"

#include <algorithm>
#include <thread>

#include "collect/host.h"
#include "collect/unix_sockets.h"
#include "netlink/network/network.h"

namespace connleak::collect {

namespace {

// A FIN or a reset that was sent when the first look was taken has arrived by then, on any network
// where both hosts can be in sight.
constexpr std::chrono::milliseconds settling{100};

// A connection that a translator rewrites has one of these states on its other end while it lives.
constexpr std::uint32_t living_states = state_bit(State::established) | state_bit(State::syn_sent) |
                                        state_bit(State::fin_wait_1) |
                                        state_bit(State::fin_wait_2) | state_bit(State::closing);

}  // namespace

void KernelWitness::settle() {
    std::this_thread::sleep_for(settling);
}

Witness::Look KernelWitness::look(NetnsId netns, const Tuple& tuple) {
    netlink::SocketTable* table = session_.table(netns);
    if (table == nullptr) return {};
    std::vector<std::uint32_t> interfaces;
    if (const Namespace* network = session_.network(netns))
        for (const Link& link : network->links) interfaces.push_back(link.index);
    auto found = table->lookup(tuple, interfaces);
    if (!found) return {};
    return {.known = true, .socket = *found};
}

Witness::Tracking KernelWitness::tracked(NetnsId netns, const Tuple& packets) {
    netlink::TrackingTable* table = session_.tracking(netns);
    if (table == nullptr) return {};
    auto found = table->lookup(packets);
    if (!found) return {};
    return {.known = true, .entry = *found};
}

std::optional<std::vector<Endpoint>> KernelWitness::peers_of_local_end(NetnsId netns,
                                                                       const Endpoint& local) {
    auto [entry, first] = local_ends_.try_emplace(netns);
    netlink::SocketTable* table = session_.table(netns);
    if (first && table != nullptr) {
        // Twice, because a dump can miss a socket: one that both lack is not there.
        std::unordered_map<Endpoint, std::vector<Endpoint>> ends;
        bool whole = true;
        for (int round = 0; round < 2 && whole; ++round) {
            const netlink::Dump dump =
                table->dump({.states = living_states, .ports = {}, .with_info = false});
            whole = !dump.error;
            session_.sockets_read += dump.sockets.size();
            for (const Socket& socket : dump.sockets)
                ends[socket.tuple.local].push_back(socket.tuple.remote);
        }
        if (whole) entry->second = std::move(ends);
    }
    if (!entry->second) return std::nullopt;
    const auto found = entry->second->find(local);
    return found == entry->second->end() ? std::vector<Endpoint>() : found->second;
}

std::optional<bool> KernelWitness::listed(std::size_t server, const Endpoint& client) {
    auto [entry, first] = lists_.try_emplace(server);
    if (first && server < session_.conversations.size() &&
        session_.conversations[server] != nullptr) {
        if (const auto clients = session_.conversations[server]->clients_again()) {
            entry->second.emplace();
            for (const ServerClient& each : *clients) {
                if (each.address) entry->second->clients.insert(*each.address);
                entry->second->named.add(each);
            }
        }
    }
    if (!entry->second) return std::nullopt;
    if (entry->second->clients.contains(client)) return true;
    if (entry->second->named.may_be(client)) return std::nullopt;
    return false;
}

std::optional<std::vector<UnixSocket>> KernelWitness::unix_sockets_again() {
    UnixTables tables = dump_unix_sockets(session_);
    if (!tables.complete) return std::nullopt;
    return std::move(tables.sockets);
}

std::optional<std::vector<ServerClient>> KernelWitness::clients_again(std::size_t server) {
    if (server >= session_.conversations.size() || session_.conversations[server] == nullptr)
        return std::nullopt;
    return session_.conversations[server]->clients_again();
}

bool KernelWitness::same_server_again(std::size_t server) {
    auto [entry, first] = same_.try_emplace(server, false);
    if (first && server < session_.conversations.size() &&
        session_.conversations[server] != nullptr)
        entry->second = session_.conversations[server]->same_server_again();
    return entry->second;
}

std::optional<Hop> KernelWitness::route(NetnsId netns, const Address& destination) {
    const netlink::Netns* place = session_.netns(netns);
    if (place == nullptr) return std::nullopt;
    const auto found = netlink::find_route(*place, destination);
    if (!found || !*found) return std::nullopt;
    const netlink::Route& route = **found;
    return Hop{.local = route.local,
               .plain = route.plain,
               .interface = route.interface,
               .gateway = route.gateway};
}

std::optional<std::vector<std::uint8_t>> KernelWitness::neighbour(NetnsId netns,
                                                                  std::uint32_t interface,
                                                                  const Address& address) {
    const netlink::Netns* place = session_.netns(netns);
    if (place == nullptr) return std::nullopt;
    auto found = netlink::find_neighbour(*place, interface, address);
    return found ? std::move(*found) : std::nullopt;
}

std::int64_t KernelWitness::now_ms() {
    return wall_clock_ms();
}

}  // namespace connleak::collect

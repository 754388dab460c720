#include "collect/kernel_witness.h"

#include <algorithm>
#include <thread>

#include "collect/host.h"
#include "collect/unix_sockets.h"
#include "netlink/network/network.h"
#include "probes/conversation.h"

namespace connleak::collect {

namespace {

// By then a FIN or a reset that was on its way at the first look has arrived, on any network where
// both hosts can be in sight.
constexpr std::chrono::milliseconds settling{100};

// While a translated connection lives, its other end is in one of these states.
constexpr std::uint32_t living_states = state_bit(State::established) | state_bit(State::syn_sent) |
                                        state_bit(State::fin_wait_1) |
                                        state_bit(State::fin_wait_2) | state_bit(State::closing);

}  // namespace

probes::Conversation* KernelWitness::conversation(std::size_t server) const {
    return server < servers_.size() ? servers_[server].conversation.get() : nullptr;
}

void KernelWitness::settle() {
    namespaces_.release();
    std::this_thread::sleep_for(settling);
}

Witness::Look KernelWitness::look(NetnsId netns, const Tuple& tuple) {
    netlink::SocketTable* table = namespaces_.sockets_of(netns);
    if (table == nullptr) return {};
    std::vector<std::uint32_t> interfaces;
    if (const Namespace* network = find_network(networks_, netns))
        for (const Link& link : network->links) interfaces.push_back(link.index);
    auto found = table->lookup(tuple, interfaces);
    if (!found) return {};
    return {.known = true, .socket = *found};
}

Witness::Tracking KernelWitness::tracked(NetnsId netns, const Tuple& packets) {
    netlink::TrackingTable* table = namespaces_.tracking_of(netns);
    if (table == nullptr) return {};
    auto found = table->lookup(packets);
    if (!found) return {};
    return {.known = true, .entry = *found};
}

std::optional<std::vector<Endpoint>> KernelWitness::peers_of_local_end(NetnsId netns,
                                                                       const Endpoint& local) {
    auto [entry, first] = local_ends_.try_emplace(netns);
    netlink::SocketTable* table = namespaces_.sockets_of(netns);
    if (first && table != nullptr) {
        // Two dumps, because one can miss a socket: a socket missing from both does not exist.
        std::unordered_map<Endpoint, std::vector<Endpoint>> ends;
        bool whole = true;
        for (int round = 0; round < 2 && whole; ++round) {
            const netlink::Dump dump =
                table->dump({.states = living_states, .ports = {}, .with_info = false});
            whole = !dump.error;
            namespaces_.count_read(dump.sockets.size());
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
    if (first && conversation(server) != nullptr) {
        namespaces_.release();
        if (const auto clients = conversation(server)->clients_again()) {
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
    UnixTables tables = dump_unix_sockets(namespaces_);
    if (!tables.gaps.empty()) return std::nullopt;
    return std::move(tables.sockets);
}

std::optional<std::vector<ServerClient>> KernelWitness::clients_again(std::size_t server) {
    if (conversation(server) == nullptr) return std::nullopt;
    namespaces_.release();
    return conversation(server)->clients_again();
}

bool KernelWitness::same_server_again(std::size_t server) {
    auto [entry, first] = same_.try_emplace(server, false);
    if (first && conversation(server) != nullptr) {
        namespaces_.release();
        entry->second = conversation(server)->same_server_again();
    }
    return entry->second;
}

std::optional<Hop> KernelWitness::route(NetnsId netns, const Address& destination) {
    const netlink::Netns* place = namespaces_.find(netns);
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
    const netlink::Netns* place = namespaces_.find(netns);
    if (place == nullptr) return std::nullopt;
    auto found = netlink::find_neighbour(*place, interface, address);
    return found ? std::move(*found) : std::nullopt;
}

std::int64_t KernelWitness::now_ms() {
    return wall_clock_ms();
}

}  // namespace connleak::collect

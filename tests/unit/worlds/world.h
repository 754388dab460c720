// A world in memory for the tests of diagnosis/: namespaces joined by cables and bridges, servers,
// and connections with all that belongs to them on both sides. What the first look of the program
// sees is `sample`; what is true when it looks again is `now` and `lists`, the same unless a test
// says otherwise.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "diagnosis/connections/named_rows.h"
#include "diagnosis/connections/witness.h"
#include "diagnosis/diagnose.h"

namespace connleak::test {

inline Endpoint end(std::string_view text) {
    const auto parsed = Endpoint::parse(text);
    if (!parsed) ADD_FAILURE() << "no endpoint: " << text;
    return parsed.value_or(Endpoint{});
}

inline Address addr(std::string_view text) {
    const auto parsed = Address::parse(text);
    if (!parsed) ADD_FAILURE() << "no address: " << text;
    return parsed.value_or(Address{});
}

// "ghost [peer-socket-absent]": what a test expects of a connection, as text.
inline std::string describe(const Connection& connection) {
    std::string text(to_string(connection.verdict));
    text += " [";
    for (const Evidence each : connection.evidence) {
        if (!text.ends_with('[')) text += ' ';
        text += to_string(each);
    }
    return text + ']';
}

struct Device {
    NetnsId netns = 0;
    std::uint32_t index = 0;
};

// Both ends of a connection: where its two sockets are, and the tuple of each.
struct Pair {
    std::size_t server = 0;
    NetnsId server_netns = 0;  // 0: there is no socket of that side in sight
    NetnsId client_netns = 0;
    Tuple server_tuple;
    Tuple client_tuple;
};

class World : public Witness {
  public:
    static constexpr std::int32_t own_pid = 1;
    static constexpr std::uint32_t quiet_ms = 90'000;  // longer than --recent

    Sample sample;
    Policy policy;
    std::map<std::pair<NetnsId, Tuple>, Socket> now;
    std::map<std::size_t, std::optional<std::set<Endpoint>>> lists;  // the second CLIENT LIST
    std::map<std::size_t, NamedRows> named;  // those of it that name the client's host
    bool same_server = true;
    std::vector<TrackedConnection> entries;  // of connection tracking, at the second look
    std::set<NetnsId> unreadable;            // whose socket tables cannot be asked a second time
    std::map<std::tuple<NetnsId, std::uint32_t, Address>, std::vector<std::uint8_t>> neighbours;
    std::map<std::pair<NetnsId, Address>, std::optional<Hop>> routes;  // instead of the usual
    std::map<NetnsId, Hop> default_route;
    std::int64_t clock_ms = 1'700'000'000'000;  // at the second look
    int settled = 0;
    int looks = 0;
    int listings = 0;

    // ------------------------------------------------------------ network

    NetnsId netns(std::string name) {
        Namespace place;
        place.id = 4'026'531'840 + sample.namespaces.size();
        place.name = std::move(name);
        place.own = sample.namespaces.empty();
        place.complete = true;
        place.translation = Translation::none;
        place.port_range_low = 32768;
        place.port_range_high = 60999;
        place.links.emplace_back().index = 1;
        place.links.back().name = "lo";
        place.links.back().up = place.links.back().loopback = true;
        place.addresses = {{addr("127.0.0.1"), 8, 1}, {addr("::1"), 128, 1}};
        sample.namespaces.push_back(std::move(place));
        return sample.namespaces.back().id;
    }
    // A namespace with one device, "eth0".
    NetnsId host(std::string name, std::string_view address) {
        const NetnsId id = netns(std::move(name));
        device(id, "eth0", address);
        return id;
    }
    Device device(NetnsId where, std::string name, std::string_view address = "",
                  std::string kind = "") {
        Namespace& place = at(where);
        const auto index = static_cast<std::uint32_t>(place.links.size() + 1);
        Link link;
        link.index = index;
        link.name = std::move(name);
        link.kind = std::move(kind);
        link.up = true;
        link.hardware_address = {2,
                                 0,
                                 0,
                                 0,
                                 static_cast<std::uint8_t>(++hardware_ >> 8U),
                                 static_cast<std::uint8_t>(hardware_)};
        place.links.push_back(std::move(link));
        if (!address.empty()) own_address(where, address, index);
        return {where, index};
    }
    void own_address(NetnsId where, std::string_view address, std::uint32_t index = 2) {
        const Address parsed = addr(address);
        const std::uint8_t prefix = parsed.family() == Family::ipv4 ? 24 : 64;
        at(where).addresses.push_back({parsed, prefix, index});
    }
    static Device eth0(NetnsId where) { return {where, 2}; }
    // A veth pair.
    void cable(Device a, Device b) {
        for (const auto& [one, other] : {std::pair{a, b}, std::pair{b, a}}) {
            Link& end = link(one);
            end.kind = "veth";
            end.peer_index = other.index;
            end.peer_netns = other.netns;
        }
    }
    void cable(NetnsId a, NetnsId b) { cable(eth0(a), eth0(b)); }
    // A bridge in a namespace of its own, with a cable to the eth0 of each.
    Device lan(const std::vector<NetnsId>& hosts) {
        const NetnsId where = netns("switch" + std::to_string(sample.namespaces.size()));
        const Device bridge = device(where, "br0", "", "bridge");
        for (const NetnsId each : hosts) plug(bridge, eth0(each));
        return bridge;
    }
    Device plug(Device bridge, Device into) {
        const Device port = device(bridge.netns, "port" + std::to_string(into.netns % 1000));
        link(port).master = bridge.index;
        cable(port, into);
        return port;
    }
    Namespace& at(NetnsId id) { return *std::ranges::find(sample.namespaces, id, &Namespace::id); }
    Link& link(Device device) {
        return *std::ranges::find(at(device.netns).links, device.index, &Link::index);
    }
    // What `from` takes `to` to be on the link layer.
    void neighbour_is(Device from, std::string_view to, Device hardware_of) {
        neighbours[{from.netns, from.index, addr(to)}] = link(hardware_of).hardware_address;
    }

    // ------------------------------------------------------------ processes and servers

    Process& process(std::int32_t pid, std::string group, NetnsId where = 0,
                     GroupKind kind = GroupKind::executable) {
        Process& made = sample.processes.by_pid[pid];
        made.pid = pid;
        made.comm = made.command = made.group = std::move(group);
        made.group_kind = kind;
        made.user = "app";
        made.netns = where;
        made.start_time = 1'700'000'000 + pid;
        return made;
    }
    // A Redis that was asked and told everything.
    std::size_t redis(NetnsId where, std::string_view endpoint, std::int32_t pid = 500) {
        Server server = asked(endpoint, where);
        server.netns = where;
        server.pid = pid;
        server.listening = {server.endpoint};
        process(pid, "redis-server", where);
        return add(std::move(server));
    }
    // One elsewhere, asked from `from`.
    std::size_t remote_redis(NetnsId from, std::string_view endpoint) {
        return add(asked(endpoint, from));
    }
    // A service that speaks no protocol.
    std::size_t tcp(NetnsId where, std::string_view endpoint, std::int32_t pid = 500) {
        Server server;
        server.kind = ServerKind::tcp;
        server.endpoint = end(endpoint);
        server.netns = where;
        server.pid = pid;
        server.listening = {server.endpoint};
        process(pid, "service", where);
        return add(std::move(server));
    }
    ServerAnswer& answer(std::size_t server) { return sample.servers[server].answer; }

    // ------------------------------------------------------------ connections

    Socket& socket(NetnsId where, const Tuple& tuple, std::int32_t pid = 0, std::int32_t fd = 0) {
        Socket made;
        made.netns = where;
        made.tuple = tuple;
        made.state = State::established;
        made.cookie = ++cookies_;
        if (pid != 0) {
            made.inode = ++inodes_;
            sample.processes.owners[made.inode] = {{pid, fd != 0 ? fd : 1000 + int(inodes_)}};
        }
        made.info = TcpInfo{.last_data_sent_ms = quiet_ms,
                            .last_data_received_ms = quiet_ms,
                            .last_ack_received_ms = quiet_ms};
        now[{where, tuple}] = made;
        sample.sockets.push_back(made);
        return sample.sockets.back();
    }
    // A connection with both of its sockets and, where the server keeps one, its row. A side whose
    // namespace is 0 is out of sight. A client's process is that of `pid`.
    Pair connect(NetnsId client_netns, std::string_view client, std::size_t server,
                 std::int32_t pid = 700, std::string_view server_end = "") {
        const Server& its = sample.servers[server];
        Pair made{server, its.netns.value_or(0), client_netns, {}, {}};
        made.server_tuple = {server_end.empty() ? its.endpoint : end(server_end), end(client)};
        made.client_tuple = made.server_tuple.mirrored();
        const std::int32_t fd = ++fds_;
        if (made.server_netns != 0)
            socket(made.server_netns, made.server_tuple, its.pid.value_or(0), fd);
        if (client_netns != 0) {
            if (!sample.processes.by_pid.contains(pid)) process(pid, "client", client_netns);
            socket(client_netns, made.client_tuple, pid);
        }
        if (its.answer.clients_complete) row(made, fd);
        return made;
    }
    ServerClient& row(const Pair& pair, std::int32_t fd = 0) {
        ServerClient row;
        row.id = ++ids_;
        row.address = pair.server_tuple.remote;
        row.local_address = pair.server_tuple.local;
        row.purpose = Purpose::client;
        row.fd = fd;
        row.age_s = 100;
        row.idle_s = 90;
        lists[pair.server]->insert(*row.address);
        answer(pair.server).clients.push_back(std::move(row));
        return answer(pair.server).clients.back();
    }
    Socket& seen(NetnsId where, const Tuple& tuple) {
        return *std::ranges::find_if(sample.sockets, [&](const Socket& each) {
            return each.netns == where && each.tuple == tuple;
        });
    }
    // Changes one side's socket, in both looks.
    template <typename Change>
    void change(NetnsId where, const Tuple& tuple, Change change) {
        change(seen(where, tuple));
        change(now.at({where, tuple}));
    }
    template <typename Change>
    void change_server(const Pair& pair, Change how) {
        change(pair.server_netns, pair.server_tuple, how);
    }
    template <typename Change>
    void change_client(const Pair& pair, Change how) {
        change(pair.client_netns, pair.client_tuple, how);
    }
    // The first look did not see it.
    void miss(NetnsId where, const Tuple& tuple) {
        std::erase_if(sample.sockets, [&](const Socket& each) {
            return each.netns == where && each.tuple == tuple;
        });
    }
    // It is not there at all.
    void lose(NetnsId where, const Tuple& tuple) {
        miss(where, tuple);
        now.erase({where, tuple});
    }
    void lose_client(const Pair& pair) { lose(pair.client_netns, pair.client_tuple); }
    void lose_server(const Pair& pair) {
        lose(pair.server_netns, pair.server_tuple);
        unlist(pair);
    }
    // The server has no such client, neither time.
    void unlist(const Pair& pair) {
        const Endpoint& client = pair.server_tuple.remote;
        std::erase_if(answer(pair.server).clients,
                      [&](const ServerClient& each) { return each.address == client; });
        if (lists[pair.server]) lists[pair.server]->erase(client);
    }

    Report report() { return diagnose(sample, policy, *this, own_pid); }
    // The one connection of a report with this client's end and, where given, this server.
    std::string verdict_of(const Report& report, const Pair& pair) const {
        std::string all;
        for (const Connection& each : report.connections) {
            if (each.client_end != pair.server_tuple.remote || each.server != pair.server) continue;
            all += all.empty() ? describe(each) : " and " + describe(each);
        }
        return all.empty() ? "nothing" : all;
    }
    std::string verdict_of(const Pair& pair) { return verdict_of(report(), pair); }

    // ------------------------------------------------------------ Witness

    void settle() override { ++settled; }
    Look look(NetnsId where, const Tuple& tuple) override {
        ++looks;
        if (unreadable.contains(where)) return {};
        const auto found = now.find({where, tuple});
        if (found == now.end()) return {.known = true, .socket = std::nullopt};
        return {.known = true, .socket = found->second};
    }
    Tracking tracked(NetnsId where, const Tuple& packets) override {
        if (unreadable.contains(where)) return {};
        for (const TrackedConnection& each : entries)
            if (each.netns == where && (each.original == packets || each.reply == packets))
                return {.known = true, .entry = each};
        return {.known = true, .entry = std::nullopt};
    }
    std::optional<std::vector<Endpoint>> peers_of_local_end(NetnsId where,
                                                            const Endpoint& local) override {
        if (unreadable.contains(where)) return std::nullopt;
        std::vector<Endpoint> peers;
        for (const auto& [key, socket] : now)
            if (key.first == where && key.second.local == local) peers.push_back(key.second.remote);
        return peers;
    }
    std::optional<bool> listed(std::size_t server, const Endpoint& client) override {
        ++listings;
        const auto& list = lists[server];
        if (list && !list->contains(client) && named[server].may_be(client)) return std::nullopt;
        return list ? std::optional(list->contains(client)) : std::nullopt;
    }
    bool same_server_again(std::size_t) override { return same_server; }
    std::optional<Hop> route(NetnsId where, const Address& to) override {
        if (const auto found = routes.find({where, to}); found != routes.end())
            return found->second;
        const Namespace& place = at(where);
        for (const InterfaceAddress& each : place.addresses)
            if (each.address == to) return Hop{true, true, 1, {}};
        for (const InterfaceAddress& each : place.addresses) {
            const auto bytes = each.prefix_length / 8;
            if (each.address.family() == to.family() && !each.address.is_loopback() &&
                std::equal(to.bytes().begin(), to.bytes().begin() + bytes,
                           each.address.bytes().begin()))
                return Hop{false, true, each.interface, {}};
        }
        const auto found = default_route.find(where);
        return found == default_route.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<std::vector<std::uint8_t>> neighbour(NetnsId where, std::uint32_t interface,
                                                       const Address& address) override {
        const auto found = neighbours.find({where, interface, address});
        return found == neighbours.end() ? std::nullopt : std::optional(found->second);
    }
    std::int64_t now_ms() override { return clock_ms; }

  private:
    Server asked(std::string_view endpoint, NetnsId from) {
        Server server;
        server.endpoint = end(endpoint);
        server.asked_from = from;
        ServerAnswer& told = server.answer;
        told.asked = told.reachable = told.clients_complete = true;
        told.version = "7.0.15";
        // The address of the first device, or of whatever there is.
        const auto& addresses = at(from).addresses;
        const Endpoint ours{addresses.size() > 2 ? addresses[2].address : addresses[0].address,
                            59'999};
        told.own_connection = Tuple{ours, server.endpoint};
        told.own_address_seen = ours;
        told.own_local_seen = server.endpoint;
        return server;
    }
    std::size_t add(Server server) {
        const std::size_t index = sample.servers.size();
        if (server.answer.clients_complete) lists[index].emplace();
        sample.servers.push_back(std::move(server));
        return index;
    }

    unsigned hardware_ = 0;
    std::uint64_t cookies_ = 0;
    std::uint32_t inodes_ = 100'000;
    std::uint64_t ids_ = 2;
    std::int32_t fds_ = 7;
};

}  // namespace connleak::test

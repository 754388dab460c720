// Random worlds for the first law: networks with hidden hosts, translators, decoys and duplicates
// of whole sites, and connections that live, are dead on one side, come and go between the looks.
// Translation, hiding and routes are consistent with each other, as they are in nature: what a
// translator does to a connection it does on that connection's way, and it can be seen in its
// namespace unless the namespace is hidden.
#pragma once

#include <random>

#include "tests/unit/worlds/mysql.h"

namespace connleak::test {

class Chaos : public World {
  public:
    // A perfect view: nothing hidden, nothing translated, one way to each host. Dumps still miss
    // sockets, sites still exist twice, connections still come and go.
    Chaos(std::uint64_t seed, bool perfect) : random_(seed), perfect_(perfect) {
        netns("outside");
        for (int sites = coin(40) ? 2 : 1; sites > 0; --sites) build_site();
        if (!perfect_) {
            add_decoys();
            choose_hidden();
            add_remote_servers();
        }
        for (int count = roll(25); count > 0; --count) add_connection();
        for (const NetnsId each : hidden_) hide(each);
        finish_lists();
        std::ranges::shuffle(sample.sockets, random_);
    }

    using Socket1 = std::pair<NetnsId, std::uint64_t>;         // by its cookie
    using Row = std::pair<std::size_t, Endpoint>;              // of a server's list
    std::set<Socket1> living, dead_at_client, dead_at_server;  // at the second look
    std::set<Row> living_rows;

    // Whether the first look saw this very socket.
    [[nodiscard]] bool dumped(const Socket1& socket) const {
        return std::ranges::any_of(sample.sockets, [&](const Socket& each) {
            return each.netns == socket.first && each.cookie == socket.second;
        });
    }
    // Whether a connection that is called dead lives, or has ended on both sides.
    [[nodiscard]] bool falsely_dead(const Connection& each) const {
        const auto known = [](const std::set<Socket1>& in, const Socket* socket) {
            return socket != nullptr && in.contains({socket->netns, socket->cookie});
        };
        if (each.verdict == Verdict::ghost && each.server_socket != nullptr)
            return !known(dead_at_client, each.server_socket);
        if (each.verdict == Verdict::orphan) return !known(dead_at_server, each.client_socket);
        return each.verdict == Verdict::ghost &&
               living_rows.contains({each.server, each.client_end});
    }

  private:
    static constexpr std::string_view pool = "10.0.0.200";  // what bridges translate to
    struct Host {
        NetnsId id = 0;
        Device bridge;
        Endpoint address;  // port 0
    };
    struct Site {
        std::vector<Host> hosts;
        NetnsId router = 0;
        Device lans[2];
        Device router_side[2];
    };
    struct Way {
        Tuple client;
        Tuple server;
        std::vector<TrackedConnection> entries;  // of those on the way that keep a table
    };
    struct Service {
        std::size_t server = 0, site = 0, host = 0;
        Endpoint name;              // what its clients connect to
        std::set<Endpoint> listed;  // by the process that answers, at the second look
        bool lists = true;
    };

    bool coin(int percent) { return roll(100) < percent; }
    int roll(int sides) { return std::uniform_int_distribution<int>(0, sides - 1)(random_); }

    void build_site() {
        Site site;
        site.router = host("router", "10.0.0.1");
        site.router_side[0] = eth0(site.router);
        site.router_side[1] = device(site.router, "eth1", "10.0.1.1");
        for (int lan_number = 0; lan_number < 2; ++lan_number) {
            const std::string net = "10.0." + std::to_string(lan_number) + '.';
            std::vector<NetnsId> members;
            const std::size_t first = site.hosts.size();
            for (int at = 0; at < 2 + roll(2); ++at) {
                const std::string text = net + std::to_string(10 + at);
                Host made{host("host", text), {}, {addr(text), 0}};
                const Hop gateway{false, perfect_ || !coin(7), 2, addr(net + "1")};
                default_route[made.id] = gateway;
                members.push_back(made.id);
                site.hosts.push_back(made);
            }
            site.lans[lan_number] = lan(members);
            plug(site.lans[lan_number], site.router_side[lan_number]);
            for (std::size_t at = first; at < site.hosts.size(); ++at)
                site.hosts[at].bridge = site.lans[lan_number];
            if (!perfect_ && coin(10)) {  // an uplink: the segment leads out of sight
                const Device uplink = device(site.lans[lan_number].netns, "enp1s0");
                link(uplink).master = site.lans[lan_number].index;
            }
        }
        sites_.push_back(site);
        maybe_translate(site.router, 40);
        if (!perfect_) {
            for (const Host& each : site.hosts) maybe_translate(each.id, 10);
            for (const Device& bridge : site.lans) {
                if (!coin(10)) continue;
                maybe_translate(bridge.netns, 100);
                at(bridge.netns).bridge_translates = true;
            }
            if (coin(15)) {
                const Device programmed = eth0(site.hosts[pick(site.hosts.size())].id);
                link(programmed).programmed = true;
                programmed_.insert(programmed.netns);
            }
            know_neighbours(site);
        }
        for (std::size_t count = pick(2) + 1; count > 0; --count) add_server(sites_.size() - 1);
    }
    std::size_t pick(std::size_t from) { return std::size_t(roll(int(from))); }

    void maybe_translate(NetnsId where, int percent) {
        if (!coin(percent)) return;
        at(where).translation = perfect_ || coin(60) ? Translation::tracked
                                : coin(70)           ? Translation::possible
                                                     : Translation::unknown;
        translators_.insert(where);
    }
    // What ARP has learnt is the truth, where it has learnt anything.
    void know_neighbours(const Site& site) {
        for (const Host& from : site.hosts) {
            for (const Host& to : site.hosts)
                if (from.bridge.netns == to.bridge.netns && coin(60))
                    neighbour_is(eth0(from.id), to.address.address.text(), eth0(to.id));
            const int side = from.bridge.netns == site.lans[0].netns ? 0 : 1;
            if (coin(60))
                neighbour_is(eth0(from.id), side == 0 ? "10.0.0.1" : "10.0.1.1",
                             site.router_side[side]);
        }
    }
    void add_server(std::size_t site) {
        Service made;
        made.site = site;
        made.host = pick(sites_[site].hosts.size());
        const Host& where = sites_[site].hosts[made.host];
        const int port = 6379 + int(services_.size());
        made.name = {where.address.address, std::uint16_t(port)};
        made.lists = coin(60);
        const std::string text = made.name.text();
        const auto pid = int(500 + services_.size());
        made.server = made.lists ? redis(where.id, text, pid) : tcp(where.id, text, pid);
        services_.push_back(made);
    }
    // Hosts in sight with the address of another, on the same segment, on another, or on none.
    void add_decoys() {
        for (int count = roll(3); count > 0; --count) {
            const Site& site = sites_[pick(sites_.size())];
            const Host& real = site.hosts[pick(site.hosts.size())];
            const NetnsId decoy = host("decoy", real.address.address.text());
            if (coin(30)) own_address(decoy, pool);
            if (coin(30))
                plug(site.lans[pick(2)], eth0(decoy));
            else if (coin(50))
                cable(decoy, host("neighbour", "10.0.0.77"));
            // Two on one segment: whoever asked for the address knows which of them answered.
            for (const Host& from : site.hosts)
                if (from.bridge.netns == real.bridge.netns)
                    neighbour_is(eth0(from.id), real.address.address.text(), eth0(real.id));
        }
    }
    void choose_hidden() {
        for (const Site& site : sites_) {
            for (const Host& each : site.hosts) {
                const bool serves = std::ranges::any_of(
                    sample.servers, [&](const Server& server) { return server.netns == each.id; });
                if (!serves && coin(25)) hidden_.insert(each.id);
                if (coin(3)) unreadable.insert(each.id);
                if (coin(3)) {  // what could not be read may be its rules
                    at(each.id).complete = false;
                    translators_.insert(each.id);
                }
            }
            if (coin(15)) hidden_.insert(site.router);
            if (coin(8)) hidden_.insert(site.lans[pick(2)].netns);
        }
    }
    // A server on a hidden host, or two behind one address, asked from a host in sight.
    void add_remote_servers() {
        for (std::size_t site = 0; site < sites_.size(); ++site) {
            const auto& hosts = sites_[site].hosts;
            for (std::size_t at = 0; at < hosts.size(); ++at) {
                if (!hidden_.contains(hosts[at].id) || !coin(70)) continue;
                const std::size_t asker = pick(hosts.size());
                if (hidden_.contains(hosts[asker].id)) continue;
                Service made{0, site, at, {hosts[at].address.address, 6379}, {}, true};
                made.server = remote_redis(hosts[asker].id, made.name.text());
                const auto own = way(made, asker, 59'999);
                ServerAnswer& told = answer(made.server);
                if (own && track(*own)) {
                    told.own_connection = own->client;
                    told.own_address_seen = own->server.remote;
                    told.own_local_seen = own->server.local;
                    sample.servers[made.server].endpoint = own->client.remote;
                } else {
                    told.own_connection.reset();
                }
                if (coin(20)) told.own_local_seen.reset();
                services_.push_back(made);
            }
        }
    }

    // What each side of a connection from this host holds, after all translators on its way.
    std::optional<Way> way(const Service& service, std::size_t from, std::uint16_t port) {
        const Site& site = sites_[service.site];
        const Host& client = site.hosts[from];
        const Host& server = site.hosts[service.host];
        std::vector<NetnsId> on_the_way{client.id, client.bridge.netns};
        const bool routed = client.bridge.netns != server.bridge.netns;
        if (routed) on_the_way.insert(on_the_way.end(), {site.router, server.bridge.netns});
        on_the_way.push_back(server.id);
        const bool inside = client.id == server.id;
        if (inside) on_the_way = {client.id};  // no device is crossed
        std::erase_if(on_the_way, [&](NetnsId place) {
            return !translators_.contains(place) && (inside || !programmed_.contains(place));
        });
        // A translator treats all connections of one host to one service alike.
        const auto habit = [&](NetnsId place) {
            const auto [found, first] = habits_.try_emplace({place, client.id, server.id});
            if (first) found->second = {coin(50), coin(30)};
            return found->second;
        };
        Way made;
        made.client = {{client.address.address, port}, service.name};
        const auto to =
            std::ranges::find_if(on_the_way, [&](NetnsId place) { return habit(place).second; });
        if (to != on_the_way.end()) made.client.remote = {addr("192.0.2.1"), service.name.port};
        Tuple packets = made.client;
        for (const NetnsId place : on_the_way) {
            const Tuple before = packets;
            if (to != on_the_way.end() && place == *to) packets.remote = service.name;
            if (habit(place).first) {
                // Always another: one that leaves the address may not spare some of the ports.
                do packets.local.port = std::uint16_t(30'000 + (perfect_ ? ports_ : roll(5)));
                while (packets.local.port == before.local.port);
                if (place == site.router)
                    packets.local.address = at(place).addresses[coin(50) ? 2 : 3].address;
                else if (coin(30) && place == server.bridge.netns)
                    packets.local.address = addr(pool);  // the bridge hands the answers back
            }
            if (at(place).translation == Translation::tracked)
                made.entries.push_back({place, before, packets.mirrored(), 0, false});
        }
        made.server = packets.mirrored();
        // Something that nobody knows of, which changes only where the client goes.
        if (!perfect_ && coin(4)) made.client.remote = {addr("192.0.2.1"), service.name.port};
        return made;
    }
    // Entries expire while their connection lives. False where two would have the same one: the
    // kernel makes one of them then.
    bool track(const Way& way) {
        for (const TrackedConnection& each : way.entries)
            for (const Tuple& tuple : {each.original, each.reply})
                if (tracked(each.netns, tuple).entry) return false;
        for (const TrackedConnection& each : way.entries) {
            if (!perfect_ && coin(15)) continue;
            entries.push_back(each);
            if (each.translated() && (perfect_ || coin(85))) sample.tracked.push_back(each);
        }
        return true;
    }
    // The tables of this host's namespace do not tell where its packets really go.
    bool goes_elsewhere(const Host& from, const Host& to) {
        return from.bridge.netns != to.bridge.netns && !default_route[from.id].plain && coin(50);
    }

    void add_connection() {
        Service& service = services_[pick(services_.size())];
        const Site& site = sites_[service.site];
        const std::size_t from = pick(site.hosts.size());
        const std::uint16_t port =
            perfect_ ? std::uint16_t(20'000 + ++ports_) : std::uint16_t(20'000 + roll(6));
        const NetnsId client = site.hosts[from].id;
        const NetnsId server = site.hosts[service.host].id;
        const auto made = way(service, from, port);
        if (!made || now.contains({client, made->client}) || now.contains({server, made->server}) ||
            !track(*made))
            return;
        const std::uint32_t quiet = coin(50) ? quiet_ms : std::uint32_t(roll(1000));
        const bool bound = !perfect_ && coin(4);  // to a VRF, in which the addresses mean others
        const auto put = [&](NetnsId where, const Tuple& tuple, std::int32_t pid) {
            Socket& both = socket(where, tuple, pid);
            both.info->last_ack_received_ms = quiet;
            if (bound) both.interface = 9;
            now[{where, tuple}] = both;
            now.at({where, tuple}).info->last_ack_received_ms += 100;
            return Socket1{where, both.cookie};
        };
        const auto pid = std::int32_t(700 + roll(4));
        process(pid, "client", client);
        const auto server_pid = sample.servers[service.server].pid.value_or(0);
        const Socket1 at_server = put(server, made->server, server_pid != 0 ? server_pid : 1234);
        const Socket1 at_client = put(client, made->client, pid);
        const Row row{service.server, made->server.remote};
        const int fate = roll(100);
        if (fate < 50) {  // it lives
            living.insert({at_server, at_client});
            living_rows.insert(row);
            if (coin(30)) miss(server, made->server);
            if (coin(30)) miss(client, made->client);
            if (coin(30)) now.at({server, made->server}).info->last_ack_received_ms = 1;
            const Host& here = site.hosts[from];
            const Host& there = site.hosts[service.host];
            // To a server out of sight one address is one host: its list knows nothing else.
            const bool in_sight = sample.servers[service.server].netns.has_value();
            // The router's own address is on the server's link.
            const bool masked = made->server.remote.address != here.address.address;
            if (in_sight && (bound || (!masked && goes_elsewhere(there, here))))
                lose(client, made->client);
            else if (in_sight && goes_elsewhere(here, there))
                lose(server, made->server);
            service.listed.insert(row.second);
        } else if (fate < 65) {  // a ghost
            lose(client, made->client);
            dead_at_client.insert(at_server);
            if (coin(20)) miss(server, made->server);
            service.listed.insert(row.second);
        } else if (fate < 80) {  // an orphan
            lose(server, made->server);
            dead_at_server.insert(at_client);
        } else {  // it ended between the looks; sometimes another has its tuple by now
            const bool again = coin(50);
            for (const auto& [where, tuple] :
                 {std::pair{server, made->server}, {client, made->client}}) {
                if (coin(60)) miss(where, tuple);
                if (!again) {
                    now.erase({where, tuple});
                    continue;
                }
                Socket& next = now.at({where, tuple});
                next.cookie += 1'000'000;
                living.insert({where, next.cookie});
            }
            if (again) living_rows.insert(row), service.listed.insert(row.second);
            if (coin(50)) first_lists_.insert(row);
        }
    }

    // The first list lacks some who came since, and has some who have left.
    void finish_lists() {
        for (Service& service : services_) {
            if (!service.lists) continue;
            auto& rows = answer(service.server).clients;
            lists[service.server] = service.listed;
            std::set<Endpoint> first;
            for (const Endpoint& each : service.listed)
                if (!coin(15)) first.insert(each);
            for (const auto& [server, client] : first_lists_)
                if (server == service.server) first.insert(client);
            const bool laddr = coin(70);
            for (const Endpoint& each : first) {
                ServerClient row;
                row.id = rows.size() + 3;
                row.address = each;
                row.idle_s = 90;
                if (laddr) row.local_address = service.name;
                rows.push_back(row);
            }
            if (coin(40)) resolve_names(*this, service.server, perfect_, random_);
            if (!perfect_ && coin(10)) lists[service.server].reset();
            if (!perfect_ && coin(10)) answer(service.server).clients_complete = false;
        }
        same_server = coin(80);
    }
    void hide(NetnsId which) {
        std::erase_if(sample.namespaces, [&](const Namespace& each) { return each.id == which; });
        std::erase_if(sample.sockets, [&](const Socket& each) { return each.netns == which; });
        for (Namespace& place : sample.namespaces)
            for (Link& each : place.links)
                if (each.peer_netns == which) each.peer_netns.reset();
    }

    std::mt19937_64 random_;
    bool perfect_;
    std::vector<Site> sites_;
    std::vector<Service> services_;
    std::set<NetnsId> translators_, programmed_, hidden_;
    std::map<std::tuple<NetnsId, NetnsId, NetnsId>, std::pair<bool, bool>> habits_;
    std::set<Row> first_lists_;
    int ports_ = 0;
};

}  // namespace connleak::test

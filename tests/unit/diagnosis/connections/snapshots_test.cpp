// Peers that only a snapshot of their host knows: what it may be taken to say, and never more.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::addr;
using test::end;

constexpr std::int64_t minute_ms = 60'000;

// A server in sight whose device leads out of sight, and hosts beyond it that are known by
// snapshots.
class Far : public test::World {
  public:
    Far() {
        here = host("server", "10.0.0.1");
        sample.asked_at_ms = clock_ms;
        redis_ = redis(here, "10.0.0.1:6379");
        default_route[here] = {false, true, 2, addr("10.0.0.254")};
    }
    // By a snapshot of `age_ms` ago.
    PeerNamespace& far_host(std::string_view address, std::int64_t age_ms, std::string boot = "b") {
        sample.peer_hosts.push_back({.name = "far",
                                     .boot_id = std::move(boot),
                                     .same_boot = false,
                                     .taken_at_ms = clock_ms - age_ms,
                                     .margin_ms = 2000,
                                     .processes = {},
                                     .translations = {}});
        PeerNamespace place;
        place.netns = 4'026'531'840;
        place.host = sample.peer_hosts.size() - 1;
        place.complete = true;
        place.translation = Translation::none;
        place.addresses = {{addr(address), 24, 2}};
        place.hardware_addresses = {{2, 0, 0, 0, 9, 9}};
        sample.peer_namespaces.push_back(std::move(place));
        return sample.peer_namespaces.back();
    }
    Socket& far_socket(std::size_t place, const Tuple& tuple) {
        Socket made;
        made.netns = first_peer_netns + place;
        made.tuple = tuple;
        made.state = State::established;
        made.cookie = 7'000 + sample.peer_namespaces[place].sockets.size();
        sample.peer_namespaces[place].sockets.push_back(made);
        return sample.peer_namespaces[place].sockets.back();
    }
    // A connection of which the server's side is here; the peer was last heard `silent_ms` ago.
    test::Pair arrived(std::string_view client, std::int64_t silent_ms) {
        const test::Pair made = connect(0, client, redis_);
        change_server(made, [&](Socket& each) {
            each.info->last_data_received_ms = each.info->last_data_sent_ms =
                each.info->last_ack_received_ms = static_cast<std::uint32_t>(silent_ms);
        });
        answer(redis_).clients.back().age_s = silent_ms / 1000;
        return made;
    }
    NetnsId here = 0;
    std::size_t redis_ = 0;
};

constexpr const char* ghost = "ghost [peer-socket-absent]";
constexpr const char* too_old = "unverified [snapshot-too-old peer-out-of-sight]";
constexpr const char* translated = "unverified [nat-suspected peer-out-of-sight]";
constexpr const char* unseen = "unverified [peer-out-of-sight]";

TEST(Snapshots, SilentSinceBeforeTheSnapshotAndAbsentIsAGhost) {
    Far world;
    world.far_host("10.9.0.7", 5 * minute_ms);
    EXPECT_EQ(world.verdict_of(world.arrived("10.9.0.7:4000", 10 * minute_ms)), ghost);
}

TEST(Snapshots, AClientThatItsHostTranslates) {
    const auto verdict = [](auto change) {
        Far world;
        PeerNamespace& host = world.far_host("10.9.0.7", 5 * minute_ms);
        host.translation = Translation::tracked;
        const NetnsId id = host.netns;
        PeerNamespace container = host;
        container.netns += 1;
        container.addresses = {{addr("172.17.0.2"), 16, 2}};
        world.sample.peer_namespaces.push_back(container);
        const test::Pair pair = world.arrived("10.9.0.7:30000", 10 * minute_ms);
        const Tuple own{test::end("172.17.0.2:4000"), test::end("10.0.0.1:6379")};
        world.sample.peer_hosts[0].translations.push_back({id, own, pair.server_tuple, 0, false});
        world.far_socket(1, own);
        change(world, own);
        const Report report = world.report();
        return world.verdict_of(report, pair) + ' ' +
               report.connections.front().own_client_end().text();
    };
    EXPECT_EQ(verdict([](Far&, const Tuple&) {}),
              "healthy [nat-translated peer-socket-present] 172.17.0.2:4000");
    EXPECT_EQ(
        verdict([](Far& world, const Tuple&) { world.sample.peer_namespaces[1].sockets.clear(); }),
        "unverified [nat-translated nat-suspected peer-out-of-sight] 172.17.0.2:4000")
        << "the way to it is not known";
    EXPECT_EQ(verdict([](Far& world, const Tuple&) {
                  ++world.sample.peer_hosts[0].translations[0].netns;
              }),
              "unverified [nat-suspected peer-out-of-sight] 10.9.0.7:30000");
    EXPECT_EQ(verdict([](Far& world, const Tuple& own) {
                  world.sample.peer_namespaces.push_back(world.sample.peer_namespaces[1]);
                  world.far_socket(2, own);
              }),
              "unverified [nat-translated nat-suspected peer-out-of-sight] 172.17.0.2:4000")
        << "two have it";
}

TEST(Snapshots, HeardSinceTheSnapshotOrWithinTheClocksDoubtIsNot) {
    for (const std::int64_t silent : {2 * minute_ms, 5 * minute_ms, 5 * minute_ms + 1999}) {
        Far world;
        world.far_host("10.9.0.7", 5 * minute_ms);
        EXPECT_EQ(world.verdict_of(world.arrived("10.9.0.7:4000", silent)), too_old);
    }
}

TEST(Snapshots, TheListsAgeDoesNotOutrankTheKernel) {
    Far world;
    world.far_host("10.9.0.7", 5 * minute_ms);
    const auto pair = world.arrived("10.9.0.7:4000", 2 * minute_ms);
    world.answer(world.redis_).clients.back().age_s = 86'400;
    EXPECT_EQ(world.verdict_of(pair), too_old);
}

TEST(Snapshots, ASocketThatItHasIsTheClient) {
    Far world;
    world.far_host("10.9.0.7", 5 * minute_ms);
    const auto pair = world.arrived("10.9.0.7:4000", 10 * minute_ms);
    world.far_socket(0, pair.client_tuple);
    EXPECT_EQ(world.verdict_of(pair), "healthy [peer-socket-present]");
    // By the list the connection is younger: that socket was another's.
    world.answer(world.redis_).clients.back().age_s = 10;
    EXPECT_EQ(world.verdict_of(pair), too_old);
}

TEST(Snapshots, SignsOfDeathAreNewerThanASnapshot) {
    Far world;
    world.far_host("10.9.0.7", minute_ms);
    const auto pair = world.arrived("10.9.0.7:4000", 10 * minute_ms);
    world.answer(world.redis_).clients.back().age_s = 86'400;
    world.far_socket(0, pair.client_tuple);
    world.change_server(pair, [](Socket& each) { each.timer = {TimerKind::keepalive, 100, 2}; });
    EXPECT_EQ(world.verdict_of(pair), "suspect [keepalive-unanswered]");
}

TEST(Snapshots, WhatMayBeRenamedIsNotAbsent) {
    const auto verdict = [](const auto& change) {
        Far world;
        PeerNamespace& place = world.far_host("10.9.0.7", minute_ms);
        const auto pair = world.arrived("10.9.0.7:4000", 10 * minute_ms);
        change(world, place);
        return world.verdict_of(pair);
    };
    EXPECT_EQ(verdict([](Far&, PeerNamespace&) {}), ghost);
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.translation = Translation::possible; }),
              translated);
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.translation = Translation::unknown; }),
              translated);
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.restricted = true; }), translated);
    EXPECT_EQ(verdict([](Far& world, PeerNamespace&) {
                  world.far_socket(0, {end("10.9.0.7:4000"), end("192.0.2.1:6379")});
              }),
              translated);
    EXPECT_EQ(verdict([](Far& world, PeerNamespace&) {
                  world.at(world.here).translation = Translation::possible;
              }),
              translated);
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.complete = false; }), unseen);
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.addresses[0].interface = 0; }), unseen);
    EXPECT_EQ(verdict([](Far& world, PeerNamespace&) { world.far_host("10.9.0.7", minute_ms); }),
              unseen);
    EXPECT_EQ(verdict([](Far& world, PeerNamespace&) { world.host("decoy", "10.9.0.7"); }), unseen);
    EXPECT_EQ(
        verdict([](Far& world, PeerNamespace&) { world.default_route[world.here].plain = false; }),
        unseen);
    // The far host takes the server to be on its own link, and packets to it go by a router.
    EXPECT_EQ(verdict([](Far&, PeerNamespace& it) { it.addresses[0].prefix_length = 4; }), unseen);
}

TEST(Snapshots, OnTheLinkTheNeighbourMustBeThatHost) {
    const auto verdict = [](std::vector<std::uint8_t> hardware, bool far_has_it) {
        Far world;
        PeerNamespace& place = world.far_host("10.0.0.7", minute_ms);
        world.neighbours[{world.here, 2, addr("10.0.0.7")}] = hardware;
        if (far_has_it) place.hardware_addresses.push_back(hardware);
        return world.verdict_of(world.arrived("10.0.0.7:4000", 10 * minute_ms));
    };
    EXPECT_EQ(verdict({2, 0, 0, 0, 9, 9}, false), ghost);
    EXPECT_EQ(verdict({2, 0, 0, 0, 1, 1}, false), unseen);
    // Docker's: the same on every host where that address is.
    EXPECT_EQ(verdict({2, 0x42, 10, 0, 0, 7}, true), unseen);
}

TEST(Snapshots, AClockThatIsAheadIsFoundOut) {
    Far world;
    world.far_host("10.9.0.7", minute_ms);  // it says; an hour ago in truth
    const auto dead = world.arrived("10.9.0.7:4000", 10 * minute_ms);
    const auto live = world.arrived("10.9.0.7:4001", 60 * minute_ms);
    world.far_socket(0, live.client_tuple).info = TcpInfo{.last_data_sent_ms = 500};
    EXPECT_EQ(world.verdict_of(dead), too_old);
    EXPECT_EQ(world.verdict_of(live), "healthy [peer-socket-present]");
}

TEST(Snapshots, OfAServerOnlyItsPresenceCounts) {
    Far world;
    PeerNamespace& place = world.far_host("10.9.0.7", minute_ms);
    place.addresses[0].prefix_length = 32;
    Server elsewhere;
    elsewhere.endpoint = end("10.9.0.7:6379");
    world.sample.servers.push_back(elsewhere);
    const auto pair = world.connect(world.here, "10.0.0.1:5000", 1);
    EXPECT_EQ(world.verdict_of(pair), unseen);
    world.far_socket(0, pair.server_tuple);
    EXPECT_EQ(world.verdict_of(pair), "healthy [peer-socket-present]");
}

TEST(Snapshots, HoldersOfTwoHostsWithOnePid) {
    Far world;
    for (int at = 0; at < 2; ++at) {
        const std::string address = "10.9.0." + std::to_string(7 + at);
        world.far_host(address, minute_ms);
        const auto pair = world.arrived(address + ":4000", 10 * minute_ms);
        Socket& socket = world.far_socket(std::size_t(at), pair.client_tuple);
        socket.inode = 55;
        Processes& processes = world.sample.peer_hosts[std::size_t(at)].processes;
        processes.owners[55] = {{4711, 3}};
        processes.by_pid[4711].pid = 4711;
        processes.by_pid[4711].group = "php-fpm: pool www";
    }
    world.process(4711, "something else", world.here);
    const Report report = world.report();
    ASSERT_EQ(report.holders.size(), 2U);
    EXPECT_NE(report.holders[0].host, report.holders[1].host);
    EXPECT_EQ(report.holders[0].connections, 1U);
    ASSERT_EQ(report.groups.size(), 2U);
    EXPECT_EQ(report.groups[0].name, "php-fpm: pool www");
}

// ---------------------------------------------------------------- the first law

// A life of connections over time, on hosts of which snapshots are taken now and then: whatever
// lives at the end must not be called dead.
class Times : public Far {
  public:
    explicit Times(std::uint64_t seed) : random_(seed) {
        for (int at = 0; at < 1 + roll(4); ++at) add_host(at);
        for (Host& each : hosts_)
            for (int count = roll(8); count > 0; --count) add_connection(each);
        for (Host& each : hosts_) take_snapshots(each);
    }
    std::set<Endpoint> living;
    std::set<Endpoint> dead;

  private:
    struct Life {  // on the client's side; times in ms before now, `to` is -1 for whatever lives
        Tuple tuple;
        std::int64_t from = 0;
        std::int64_t to = 0;
    };
    struct Host {
        Address address;
        bool translates = false;  // it hides others behind its address
        std::vector<Life> lives;
        std::set<Endpoint> used;
    };
    int roll(int sides) { return std::uniform_int_distribution<int>(0, sides - 1)(random_); }
    bool coin(int percent) { return roll(100) < percent; }

    void add_host(int at) {
        const bool twin = at > 0 && coin(20);  // the same address in another place
        const std::string text = "10.9.0." + std::to_string(10 + at);
        hosts_.push_back({twin ? hosts_.front().address : addr(text), coin(25), {}, {}});
    }
    void add_connection(Host& where) {
        Endpoint client{where.address, std::uint16_t(4000 + roll(6))};
        for (const Host& each : hosts_)
            if (each.used.contains(client)) return;
        where.used.insert(client);
        const Endpoint server = sample.servers[redis_].endpoint;
        // Before it the port may have served another connection.
        const std::int64_t born = 1000 + roll(600'000);
        if (coin(40))
            where.lives.push_back({{client, coin(50) ? server : end("192.0.2.9:80")},
                                   born + 1 + roll(300'000),
                                   born + roll(1000)});
        const bool lives = coin(60);
        const std::int64_t silent = roll(int(born) + 1);  // since the peer was heard
        const std::int64_t died = lives ? -1 : roll(int(silent) + 1);
        Tuple own{client, server};
        if (where.translates && coin(60)) own = {end("172.17.0.2:777"), server};  // in a container
        where.lives.push_back({own, born, died});
        // What the list tells can be of the connection before.
        const auto pair = arrived(client.text(), silent);
        answer(redis_).clients.back().age_s = coin(20) ? 86'400 : born / 1000;
        (lives ? living : dead).insert(pair.server_tuple.remote);
    }
    void take_snapshots(const Host& where) {
        // Nobody has taken one. Of two hosts with one address the snapshots alone can tell.
        if (coin(15) && std::ranges::count(hosts_, where.address, &Host::address) == 1) return;
        const std::int64_t taken = roll(700'000);
        PeerNamespace& place = far_host(where.address.text(), taken);
        // Its clock is off by less than the margin.
        sample.peer_hosts[place.host].taken_at_ms += roll(3999) - 1999;
        if (where.translates)
            place.translation = coin(50) ? Translation::possible : Translation::unknown;
        const std::size_t index = sample.peer_namespaces.size() - 1;
        for (const Life& each : where.lives)
            if (each.from > taken && each.to < taken && each.tuple.local.address == where.address)
                far_socket(index, each.tuple).info =
                    TcpInfo{.last_data_sent_ms = std::uint32_t(each.from - taken)};
    }

    std::mt19937_64 random_;
    std::vector<Host> hosts_;
};

TEST(FirstLaw, ASnapshotNeverKillsTheLiving) {
    std::uint64_t found = 0;
    std::uint64_t missed = 0;
    for (std::uint64_t seed = 1; seed <= 12'000; ++seed) {
        Times world(seed);
        const Report report = world.report();
        for (const Connection& each : report.connections) {
            const bool called_dead =
                each.verdict == Verdict::ghost || each.verdict == Verdict::orphan;
            ASSERT_FALSE(called_dead && world.living.contains(each.client_end))
                << "seed " << seed << ": " << each.client_end.text() << ' ' << test::describe(each);
            if (world.dead.contains(each.client_end)) ++(called_dead ? found : missed);
        }
    }
    EXPECT_GT(found, 500U);
    EXPECT_GT(missed, 500U);
}

}  // namespace
}  // namespace connleak

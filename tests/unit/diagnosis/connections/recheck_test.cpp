// Only what is still one-sided after a second look, on a way that is understood, is a ghost or an
// orphan. Each doubt has its test.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::addr;
using test::Device;
using test::end;
using test::Pair;
using test::World;

// server ── web, both in sight, and a Redis with one living client beside the one under test.
struct Lan {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    NetnsId web = world.host("web", "10.0.0.2");
    std::size_t redis = 0;
    Pair pair;
    Pair other;
    Lan() {
        world.cable(server, web);
        redis = world.redis(server, "10.0.0.1:6379");
        pair = world.connect(web, "10.0.0.2:40001", redis);
        other = world.connect(web, "10.0.0.2:40002", redis);
    }
    std::string verdict() {
        const Report report = world.report();
        EXPECT_EQ(world.verdict_of(report, other), "healthy [peer-socket-present]");
        return world.verdict_of(report, pair);
    }
};

TEST(Recheck, AGhost) {
    Lan lan;
    lan.world.lose_client(lan.pair);
    EXPECT_EQ(lan.verdict(), "ghost [peer-socket-absent]");
    EXPECT_EQ(lan.world.settled, 1);
}

TEST(Recheck, AnOrphanBesideLivingConnectionsToTheSameServer) {
    Lan lan;
    lan.world.lose_server(lan.pair);
    EXPECT_EQ(lan.verdict(), "orphan [peer-socket-absent]");
}

TEST(Recheck, WhatTheDumpMissedIsFound) {
    for (const bool client : {true, false}) {
        Lan lan;
        if (client)
            lan.world.miss(lan.web, lan.pair.client_tuple);
        else
            lan.world.miss(lan.server, lan.pair.server_tuple);
        const Report report = lan.world.report();
        ASSERT_EQ(report.connections.size(), 2U);
        // A missed socket of the server is still in its list.
        EXPECT_EQ(lan.world.verdict_of(report, lan.pair),
                  client ? "healthy [peer-socket-present]" : "healthy [server-listing]");
    }
    // Both missed: the row alone leads to them.
    Lan lan;
    lan.world.miss(lan.web, lan.pair.client_tuple);
    lan.world.miss(lan.server, lan.pair.server_tuple);
    EXPECT_EQ(lan.verdict(), "healthy [peer-socket-present]");
    // The server's missed, and the list is not known.
    Lan unknown;
    unknown.world.miss(unknown.server, unknown.pair.server_tuple);
    unknown.world.answer(unknown.redis).clients.clear();
    unknown.world.answer(unknown.redis).clients_complete = false;
    EXPECT_EQ(unknown.verdict(), "healthy [peer-socket-present]");
}

TEST(Recheck, WhatEndedMeanwhileIsDropped) {
    const auto after = [](const std::function<void(Lan&)>& change) {
        Lan lan;
        change(lan);
        return lan.verdict();
    };
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose_client(lan.pair);
                  lan.world.now.erase({lan.server, lan.pair.server_tuple});
              }),
              "nothing")
        << "both sides gone";
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose_client(lan.pair);
                  lan.world.now.at({lan.server, lan.pair.server_tuple}).cookie = 999;
              }),
              "nothing")
        << "another connection has the tuple now";
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose_server(lan.pair);
                  lan.world.now.erase({lan.web, lan.pair.client_tuple});
              }),
              "nothing");
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose_server(lan.pair);
                  lan.world.now.at({lan.web, lan.pair.client_tuple}).cookie = 999;
              }),
              "nothing");
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose(lan.server, lan.pair.server_tuple);
                  lan.world.lose_client(lan.pair);
              }),
              "nothing")
        << "a row of a client that has left";
    EXPECT_EQ(after([](Lan& lan) {
                  lan.world.lose_client(lan.pair);
                  lan.world.now.at({lan.server, lan.pair.server_tuple}).state = State::last_ack;
              }),
              "transient []");
}

TEST(Recheck, APeerThatWasClosingIsLookedAtAgain) {
    const auto after = [](const std::function<void(Lan&, Socket&, Socket&)>& change) {
        Lan lan;
        lan.world.seen(lan.web, lan.pair.client_tuple).state = State::fin_wait_1;
        change(lan, lan.world.now.at({lan.server, lan.pair.server_tuple}),
               lan.world.now.at({lan.web, lan.pair.client_tuple}));
        return lan.verdict();
    };
    EXPECT_EQ(after([](Lan&, Socket&, Socket& client) { client.state = State::fin_wait_1; }),
              "suspect [peer-closing]");
    EXPECT_EQ(after([](Lan& lan, Socket&, Socket&) {
                  lan.world.now.erase({lan.server, lan.pair.server_tuple});
                  lan.world.now.erase({lan.web, lan.pair.client_tuple});
              }),
              "nothing");
    EXPECT_EQ(after([](Lan&, Socket& server, Socket& client) {
                  server.state = State::last_ack;
                  client.state = State::time_wait;
              }),
              "transient []");
    EXPECT_EQ(after([](Lan& lan, Socket&, Socket&) {
                  lan.world.now.erase({lan.web, lan.pair.client_tuple});
              }),
              "ghost [peer-socket-absent]")
        << "its FIN never arrived";
}

// One doubt each, for a peer that no socket table shows.
struct Doubt {
    std::string_view name;
    std::function<void(Lan&)> change;
    std::string_view ghost;
    std::string_view orphan;
};

constexpr std::string_view maybe = "unverified [nat-suspected peer-out-of-sight]";
constexpr std::string_view unknown = "unverified [peer-out-of-sight]";

const std::vector<Doubt>& doubts() {
    static const std::vector<Doubt> all = {
        {"translation at the client's host is possible",
         [](Lan& lan) { lan.world.at(lan.web).translation = Translation::possible; }, maybe, maybe},
        {"at the server's host",
         [](Lan& lan) { lan.world.at(lan.server).translation = Translation::possible; }, maybe,
         maybe},
        {"whether there is one is not known",
         [](Lan& lan) { lan.world.at(lan.web).translation = Translation::unknown; }, maybe, maybe},
        {"a packet program",
         [](Lan& lan) { lan.world.link(World::eth0(lan.web)).programmed = true; }, maybe, maybe},
        {"no route",
         [](Lan& lan) {
             lan.world.routes[{lan.server, addr("10.0.0.2")}] = std::nullopt;
             lan.world.routes[{lan.web, addr("10.0.0.1")}] = std::nullopt;
         },
         unknown, unknown},
        {"more than one way",
         [](Lan& lan) {
             lan.world.routes[{lan.server, addr("10.0.0.2")}] = Hop{false, false, 2, {}};
             lan.world.routes[{lan.web, addr("10.0.0.1")}] = Hop{false, false, 2, {}};
         },
         unknown, unknown},
        {"the cable leads elsewhere",
         [](Lan& lan) {
             lan.world.link(World::eth0(lan.web)).peer_netns.reset();
             lan.world.link(World::eth0(lan.server)).peer_netns.reset();
         },
         unknown, unknown},
        {"a namespace was not read whole", [](Lan& lan) { lan.world.at(lan.web).complete = false; },
         unknown, unknown},
        {"the peer's table cannot be read again",
         [](Lan& lan) {
             lan.world.unreadable = {lan.web, lan.server};
         },
         unknown, unknown},
        {"the socket is bound to another device",
         [](Lan& lan) {
             for (Socket& each : lan.world.sample.sockets) each.interface = 7;
             for (auto& [key, each] : lan.world.now) each.interface = 7;
         },
         unknown, unknown},
        {"something was heard since the first look",
         [](Lan& lan) {
             for (auto& [key, each] : lan.world.now)
                 each.info->last_ack_received_ms = World::quiet_ms - 1;
         },
         maybe, maybe},
    };
    return all;
}

TEST(Recheck, EveryDoubtIsNeitherGhostNorOrphan) {
    for (const Doubt& doubt : doubts()) {
        for (const bool ghost : {true, false}) {
            Lan lan;
            if (ghost)
                lan.world.lose_client(lan.pair);
            else
                lan.world.lose_server(lan.pair);
            doubt.change(lan);
            EXPECT_EQ(lan.world.verdict_of(lan.pair), ghost ? doubt.ghost : doubt.orphan)
                << doubt.name << (ghost ? ", ghost" : ", orphan");
        }
    }
}

TEST(Recheck, AnotherSocketWithTheClientsLocalEndMayBeIt) {
    // The client knows the server by another address, which is translated beyond what is in sight.
    Lan lan;
    lan.world.lose_client(lan.pair);
    lan.world.socket(lan.web, {end("10.0.0.2:40001"), end("192.0.2.1:6379")}, 700);
    EXPECT_EQ(lan.world.verdict_of(lan.pair), maybe);
}

TEST(Recheck, APortThatIsUsedAgainForAnotherServerInSight) {
    // The client's host has lost the connection and given its port to one that is plainly another.
    Lan lan;
    lan.world.lose_client(lan.pair);
    const NetnsId second = lan.world.host("second", "10.0.8.1");
    const Device link = lan.world.device(lan.web, "eth1", "10.0.8.2");
    lan.world.cable(World::eth0(second), link);
    lan.world.socket(lan.web, {end("10.0.0.2:40001"), end("10.0.8.1:6379")}, 700);
    EXPECT_EQ(lan.world.verdict_of(lan.pair), "ghost [peer-socket-absent]");
    lan.world.at(second).translation = Translation::possible;
    EXPECT_EQ(lan.world.verdict_of(lan.pair), maybe) << "which may hand it on to our server";
}

TEST(Recheck, AnAddressThatOthersHaveToo) {
    // Where the way is proven it does not matter who else has the address.
    Lan lan;
    lan.world.lose_client(lan.pair);
    const NetnsId decoy = lan.world.host("decoy", "10.0.0.2");
    EXPECT_EQ(lan.world.verdict_of(lan.pair), "ghost [peer-socket-absent]");
    // A decoy in full sight, and a way that leads out of it.
    lan.world.link(World::eth0(lan.server)).peer_netns.reset();
    EXPECT_EQ(lan.world.verdict_of(lan.pair), unknown);
    // The decoy has a socket with that very tuple, to a server of its own.
    lan.world.socket(decoy, lan.pair.client_tuple, 702);
    EXPECT_EQ(lan.world.verdict_of(lan.pair), std::string(unknown) + " and " + std::string(unknown))
        << "two connections, and neither speaks for the other";
}

TEST(Recheck, AServerThatDoesNotListItsOwnSocket) {
    Lan lan;
    lan.world.lose_client(lan.pair);
    lan.world.link(World::eth0(lan.server)).peer_netns.reset();
    lan.world.unlist(lan.pair);
    EXPECT_EQ(lan.world.verdict_of(lan.pair), "suspect [server-not-listing]");
    lan.world.lists[lan.redis]->insert(lan.pair.client_tuple.local);
    EXPECT_EQ(lan.world.verdict_of(lan.pair), unknown) << "accepted since the first list";
    lan.world.lists[lan.redis].reset();
    EXPECT_EQ(lan.world.verdict_of(lan.pair), unknown) << "there is no second list";
    // A proxy: what answers is not what listens, and lists other connections.
    lan.world.lists[lan.redis].emplace();
    lan.world.answer(lan.redis).own_address_seen = end("172.17.0.1:5000");
    EXPECT_EQ(lan.world.verdict_of(lan.pair), unknown);
}

TEST(Recheck, CloseWaitIsALeakOnlyWhenItLasts) {
    for (const bool of_server : {true, false}) {
        const auto after = [&](const std::function<void(Lan&, Socket&)>& change) {
            Lan lan;
            const auto& [where, tuple] = of_server ? std::pair{lan.server, lan.pair.server_tuple}
                                                   : std::pair{lan.web, lan.pair.client_tuple};
            const auto& [peer, mirrored] = of_server ? std::pair{lan.web, lan.pair.client_tuple}
                                                     : std::pair{lan.server, lan.pair.server_tuple};
            lan.world.lose(peer, mirrored);
            if (!of_server) lan.world.unlist(lan.pair);
            lan.world.seen(where, tuple).state = State::close_wait;
            Socket& socket = lan.world.now.at({where, tuple});
            socket.state = State::close_wait;
            change(lan, socket);
            return lan.world.verdict_of(lan.pair);
        };
        EXPECT_EQ(after([](Lan&, Socket&) {}), "close-wait [peer-closed]");
        EXPECT_EQ(after([](Lan&, Socket& socket) { socket.state = State::last_ack; }),
                  "transient []");
        EXPECT_EQ(after([](Lan& lan, Socket& socket) {
                      lan.world.now.erase({socket.netns, Tuple(socket.tuple)});
                  }),
                  "nothing");
    }
}

TEST(Recheck, TheAcceptQueue) {
    Lan lan;
    lan.world.change_server(lan.pair, [](Socket& each) { each.inode = 0; });
    lan.world.unlist(lan.pair);
    EXPECT_EQ(lan.verdict(), "unaccepted [accept-queue]");
    lan.world.lose_client(lan.pair);
    EXPECT_EQ(lan.verdict(), "unaccepted [accept-queue]");
    lan.world.now.at({lan.server, lan.pair.server_tuple}).inode = 5;
    EXPECT_TRUE(lan.verdict() == unknown || lan.verdict() == "suspect [server-not-listing]")
        << lan.verdict();
    Lan accepted;
    accepted.world.seen(accepted.server, accepted.pair.server_tuple).inode = 0;
    EXPECT_EQ(accepted.verdict(), "healthy [peer-socket-present]") << "it was accepted meanwhile";
    Lan closed;
    closed.world.change_server(closed.pair, [](Socket& each) {
        each.inode = 0;
        each.state = State::close_wait;
    });
    EXPECT_EQ(closed.verdict(), "close-wait [peer-closed accept-queue]");
}

TEST(Recheck, OneConnectionFoundFromBothEndsIsOneRow) {
    // From the server to the client the way is not proven, from the client to the server it is:
    // each end is found alone.
    Lan lan;
    lan.world.host("decoy", "10.0.0.2");
    lan.world.routes[{lan.server, addr("10.0.0.2")}] = Hop{false, false, 2, {}};
    const Report report = lan.world.report();
    EXPECT_EQ(report.connections.size(), 2U);
    EXPECT_EQ(lan.world.verdict_of(report, lan.pair), "healthy [peer-socket-present]");
}

TEST(Recheck, ARowWithoutLaddrIsKeptWhenItsSocketIsNotFound) {
    Lan lan;
    lan.world.sample.servers[lan.redis].listening = {end("0.0.0.0:6379")};
    lan.world.sample.servers[lan.redis].endpoint = end("0.0.0.0:6379");
    lan.world.miss(lan.server, lan.pair.server_tuple);
    lan.world.miss(lan.web, lan.pair.client_tuple);
    for (ServerClient& row : lan.world.answer(lan.redis).clients) row.local_address.reset();
    EXPECT_EQ(lan.world.verdict_of(lan.pair), unknown);
    lan.world.answer(lan.redis).own_address_seen = end("172.17.0.1:5000");
    EXPECT_EQ(lan.world.verdict_of(lan.pair), "nothing") << "the list of a server behind a proxy";
    lan.world.answer(lan.redis).own_address_seen = end("10.0.0.1:59999");
    lan.world.lists[lan.redis]->clear();
    EXPECT_EQ(lan.world.verdict_of(lan.pair), "nothing");
}

TEST(Recheck, AnotherHostsSocketIsNotTheVrfs) {
    // Bound to the device that the way takes, it is on that way.
    Lan lan;
    lan.world.lose_client(lan.pair);
    lan.world.change_server(lan.pair, [](Socket& each) { each.interface = 2; });
    EXPECT_EQ(lan.verdict(), "ghost [peer-socket-absent]");
}

}  // namespace
}  // namespace connleak

// Connections that are rewritten on their way, followed by what connection tracking has of them.
#include <gtest/gtest.h>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::addr;
using test::Device;
using test::end;
using test::Pair;
using test::World;

// web (10.0.1.2) -- router (masquerades to 10.0.2.1) -- server (10.0.2.2)
struct Routed {
    World world;
    NetnsId server = world.host("server", "10.0.2.2");
    NetnsId web = world.host("web", "10.0.1.2");
    NetnsId router = world.host("router", "10.0.1.1");
    std::size_t redis;

    Routed() {
        world.cable(world.eth0(web), world.eth0(router));
        world.cable(world.eth0(server), world.device(router, "eth1", "10.0.2.1"));
        world.default_route[web] = {false, true, 2, addr("10.0.1.1")};
        world.default_route[server] = {false, true, 2, addr("10.0.2.1")};
        world.at(router).translation = Translation::tracked;
        redis = world.redis(server, "10.0.2.2:6379");
    }
    void track(const Tuple& original, const Tuple& reply, bool in_dump = true) {
        world.entries.push_back({router, original, reply, 0, false});
        if (in_dump) world.sample.tracked.push_back(world.entries.back());
    }
    // The server sees `seen`; `dialled` is what the client connected to.
    Pair connect(std::string_view client, std::string_view seen,
                 std::string_view dialled = "10.0.2.2:6379", bool in_dump = true) {
        Pair made{
            redis, server, web, {end("10.0.2.2:6379"), end(seen)}, {end(client), end(dialled)}};
        world.socket(server, made.server_tuple, 500, 40);
        world.socket(web, made.client_tuple, 700);
        world.process(700, "client", web);
        world.row(made, 40);
        track(made.client_tuple, made.server_tuple, in_dump);
        return made;
    }
};

TEST(Translation, BothSidesAreOneConnection) {
    for (const bool in_dump : {true, false}) {
        Routed r;
        const Pair pair = r.connect("10.0.1.2:40000", "10.0.2.1:30000", "192.0.2.9:16379", in_dump);
        const Report report = r.world.report();
        ASSERT_EQ(report.connections.size(), 1U);
        const Connection& each = report.connections.front();
        EXPECT_EQ(test::describe(each), "healthy [nat-translated peer-socket-present]");
        EXPECT_EQ(each.own_client_end(), pair.client_tuple.local);
        EXPECT_EQ(each.dialled_end(), pair.client_tuple.remote);
        EXPECT_EQ(each.client_end, pair.server_tuple.remote);
        EXPECT_NE(each.row, nullptr);
        EXPECT_EQ(each.group, "client");
    }
}

TEST(Translation, TheDeadAreFoundOnEitherSide) {
    for (const bool in_dump : {true, false}) {
        Routed r;
        const Pair ghost =
            r.connect("10.0.1.2:40000", "10.0.2.1:30000", "192.0.2.9:16379", in_dump);
        r.world.lose_client(ghost);
        const Report report = r.world.report();
        EXPECT_EQ(r.world.verdict_of(report, ghost), "ghost [nat-translated peer-socket-absent]");
        EXPECT_EQ(report.connections.front().own_client_end(), ghost.client_tuple.local);
    }
    Routed r;
    const Pair orphan = r.connect("10.0.1.2:40000", "10.0.2.1:30000", "192.0.2.9:16379");
    r.world.lose_server(orphan);
    EXPECT_EQ(r.world.verdict_of(orphan), "orphan [nat-translated peer-socket-absent]");
}

TEST(Translation, WhatIsNotKnownProvesNothing) {
    const auto after = [](auto change) {
        Routed r;
        const Pair pair = r.connect("10.0.1.2:40000", "10.0.2.1:30000");
        r.world.lose_client(pair);
        change(r);
        return r.world.verdict_of(pair);
    };
    EXPECT_EQ(after([](Routed& r) { r.world.entries.clear(); }),
              "unverified [nat-suspected peer-out-of-sight]")
        << "expired since";
    EXPECT_EQ(after([](Routed& r) {
                  r.world.entries.clear();
                  r.world.sample.tracked.clear();
              }),
              "unverified [nat-suspected peer-out-of-sight]");
    EXPECT_EQ(after([](Routed& r) { r.world.unreadable.insert(r.router); }),
              "unverified [peer-out-of-sight]");
    for (const Translation more : {Translation::possible, Translation::unknown})
        EXPECT_EQ(after([&](Routed& r) { r.world.at(r.router).translation = more; }),
                  "unverified [nat-translated nat-suspected peer-out-of-sight]")
            << "IPVS or a packet program beside the rules";
    EXPECT_EQ(after([](Routed& r) { r.world.at(r.web).translation = Translation::tracked; }),
              "unverified [nat-translated nat-suspected peer-out-of-sight]")
        << "another translator, without an entry";
    EXPECT_EQ(after([](Routed& r) {
                  r.world.at(r.web).translation = Translation::tracked;
                  const Tuple packets{end("10.0.2.2:6379"), end("10.0.1.2:40000")};
                  r.world.entries.push_back({r.web, packets.mirrored(), packets, 0, false});
              }),
              "ghost [nat-translated peer-socket-absent]")
        << "another translator that leaves it alone";
    EXPECT_EQ(after([](Routed& r) {
                  r.world.socket(r.web, {end("10.0.1.2:40000"), end("203.0.113.9:443")}, 701);
              }),
              "unverified [nat-translated nat-suspected peer-out-of-sight]")
        << "a socket of that end may be it, translated where nobody sees it";
}

TEST(Translation, TwoClientsOfOneAddressInTwoPlaces) {
    Routed r;
    // Another network with the same addresses behind a router of its own; only one of them lives.
    const NetnsId web2 = r.world.host("web2", "10.0.1.2");
    const NetnsId router2 = r.world.host("router2", "10.0.1.1");
    const Device outside = r.world.device(router2, "eth1", "10.0.3.1");
    const Device server_side = r.world.device(r.server, "eth1", "10.0.3.2");
    r.world.cable(r.world.eth0(web2), r.world.eth0(router2));
    r.world.cable(server_side, outside);
    r.world.at(router2).translation = Translation::tracked;
    r.world.default_route[web2] = {false, true, 2, addr("10.0.1.1")};
    r.world.default_route[router2] = {false, true, outside.index, addr("10.0.3.2")};
    const Pair one = r.connect("10.0.1.2:40000", "10.0.2.1:40000");
    Pair two{
        r.redis, r.server, web2, {end("10.0.2.2:6379"), end("10.0.3.1:40000")}, one.client_tuple};
    r.world.socket(r.server, two.server_tuple, 500, 41);
    r.world.socket(web2, two.client_tuple, 701);
    r.world.process(701, "twin", web2);
    r.world.row(two, 41);
    r.world.entries.push_back({router2, two.client_tuple, two.server_tuple, 0, false});
    r.world.sample.tracked.push_back(r.world.entries.back());
    r.world.lose_client(one);
    const Report report = r.world.report();
    EXPECT_EQ(r.world.verdict_of(report, one), "ghost [nat-translated peer-socket-absent]");
    EXPECT_EQ(r.world.verdict_of(report, two), "healthy [nat-translated peer-socket-present]");
    EXPECT_EQ(report.connections.size(), 2U);
}

TEST(Translation, TheProgramsOwnConnectionIsLeftOut) {
    Routed r;
    ServerAnswer& answer = r.world.answer(r.redis);
    r.world.sample.servers[r.redis].asked_from = r.web;
    answer.own_connection = Tuple{end("10.0.1.2:50000"), end("192.0.2.9:16379")};
    answer.own_address_seen.reset();
    answer.own_local_seen.reset();
    r.track(*answer.own_connection, {end("10.0.2.2:6379"), end("10.0.2.1:50000")});
    r.world.socket(r.server, {end("10.0.2.2:6379"), end("10.0.2.1:50000")}, 500);
    r.world.socket(r.web, *answer.own_connection, 0);
    EXPECT_TRUE(r.world.report().connections.empty());
}

}  // namespace
}  // namespace connleak

// Rows of a process list that name the client's host in place of its address: put to the connection
// that they are of, or to none; and then they keep connections from being called unlisted.
#include "diagnosis/connections/named_rows.h"

#include <gtest/gtest.h>

#include "collect/kernel_witness.h"
#include "probes/conversation.h"
#include "tests/unit/worlds/mysql.h"

namespace connleak {
namespace {

using test::descriptor;
using test::end;
using test::mariadb;
using test::Pair;
using test::remote_mariadb;
using test::thread;
using test::thread_by_name;
using test::World;

// A MariaDB and two hosts with clients.
struct Lan {
    World world;
    NetnsId server = world.host("db", "10.0.0.1");
    NetnsId web1 = world.host("web1", "10.0.0.7");
    NetnsId web2 = world.host("web2", "10.0.0.8");
    std::size_t db = 0;

    Lan() {
        world.lan({server, web1, web2});
        db = mariadb(world, server, "10.0.0.1:3306");
    }
    Pair one(std::string_view client = "10.0.0.7:41234") { return world.connect(web1, client, db); }
    Pair two(std::string_view client = "10.0.0.8:41234") { return world.connect(web2, client, db); }
    // A connection that the server does not list.
    void unlist(const Pair& pair) { world.unlist(pair); }

    // The row's id, "-" without one, behind the verdict.
    std::string describe(const Pair& pair) {
        const Report report = world.report();
        std::string text;
        for (const Connection& each : report.connections) {
            if (each.client_end != pair.server_tuple.remote) continue;
            text += (text.empty() ? "" : " and ") + test::describe(each) + ' ' +
                    (each.row == nullptr ? "-" : std::to_string(each.row->id));
        }
        return text;
    }
    std::size_t connections() { return world.report().connections.size(); }
};

constexpr std::string_view unlisted = "healthy [peer-socket-present server-not-listing] -";
constexpr std::string_view without_row = "healthy [peer-socket-present] -";

TEST(NamedRowsJoin, ByAddressAsEver) {
    Lan lan;
    const Pair pair = lan.one();
    const std::uint64_t id = thread(lan.world, pair).id;
    EXPECT_EQ(lan.describe(pair), "healthy [peer-socket-present] " + std::to_string(id));
}

TEST(NamedRowsJoin, ByAPortThatOnlyOneHas) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two("10.0.0.8:41235");
    const std::uint64_t first = thread_by_name(lan.world, one).id;
    const std::uint64_t second = thread_by_name(lan.world, two, "web2").id;
    EXPECT_EQ(lan.describe(one), "healthy [peer-socket-present] " + std::to_string(first));
    EXPECT_EQ(lan.describe(two), "healthy [peer-socket-present] " + std::to_string(second));
    EXPECT_EQ(lan.connections(), 2U) << "a named row is no connection beside its own";
}

TEST(NamedRowsJoin, APortThatTwoHostsHaveTellsNeither) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two();
    thread_by_name(lan.world, one);
    thread_by_name(lan.world, two, "web2");
    EXPECT_EQ(lan.describe(one), without_row);
    EXPECT_EQ(lan.describe(two), without_row);
    EXPECT_EQ(lan.connections(), 2U);
}

// One of the two connections is of a socket that came after the sockets were read: its row would
// have been taken for the other's, and KILL is by the row.
TEST(NamedRowsJoin, APortThatTwoRowsHaveTellsNeither) {
    for (const bool by_name : {true, false}) {
        Lan lan;
        const Pair one = lan.one();
        const Pair two = lan.two();
        thread_by_name(lan.world, one);
        if (by_name)
            thread_by_name(lan.world, two, "web2");
        else
            thread(lan.world, two);
        lan.world.miss(lan.server, two.server_tuple);
        lan.world.miss(lan.web2, two.client_tuple);
        EXPECT_EQ(lan.describe(one), without_row);
    }
}

TEST(NamedRowsJoin, TheThreadsSocketTellsTheTwoApart) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two();
    ServerClient& first = thread_by_name(lan.world, one);
    first.fd = descriptor(lan.world, one);
    const std::uint64_t its = first.id;
    thread_by_name(lan.world, two, "web2");
    EXPECT_EQ(lan.describe(one), "healthy [peer-socket-present] " + std::to_string(its));
    EXPECT_EQ(lan.describe(two), without_row);
}

TEST(NamedRowsJoin, AThreadAtASocketWithAnotherPortServesAnotherByNow) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two("10.0.0.8:41235");
    ServerClient& first = thread_by_name(lan.world, one);
    first.fd = descriptor(lan.world, two);
    const std::uint64_t its = first.id;
    const std::uint64_t other = thread(lan.world, two).id;
    EXPECT_EQ(lan.describe(one), "healthy [peer-socket-present] " + std::to_string(its))
        << "by its port";
    EXPECT_EQ(lan.describe(two), "healthy [peer-socket-present] " + std::to_string(other));
}

TEST(NamedRowsJoin, WhoIsJustConnectingIsKnownByItsThreadAlone) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two();
    ServerClient& row = thread_by_name(lan.world, one, "connecting host");
    row.fd = descriptor(lan.world, one);
    const std::uint64_t its = row.id;
    thread(lan.world, two);
    EXPECT_EQ(lan.describe(one), "healthy [peer-socket-present] " + std::to_string(its));
}

TEST(NamedRowsJoin, ARowThatIsPutToNoneKeepsThoseOfItsPort) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two();
    const Pair third = lan.two("10.0.0.8:41299");
    thread_by_name(lan.world, one);
    lan.unlist(two);
    lan.unlist(third);
    EXPECT_EQ(lan.describe(one), without_row);
    EXPECT_EQ(lan.describe(two), without_row) << "the row may be its own";
    EXPECT_EQ(lan.describe(third), unlisted) << "no row has this port";
    // It has left by the second list, which is asked about those alone that the first one lacks.
    lan.world.named.clear();
    EXPECT_EQ(lan.describe(one), without_row);
    EXPECT_EQ(lan.describe(two), without_row);
    EXPECT_EQ(lan.describe(third), unlisted);
}

TEST(NamedRowsJoin, ARowWithoutAPortKeepsAll) {
    Lan lan;
    const Pair one = lan.one();
    const Pair two = lan.two("10.0.0.8:41299");
    thread_by_name(lan.world, one, "connecting host");
    lan.unlist(two);
    for (const char* list : {"first", "second"}) {
        EXPECT_EQ(lan.describe(one), without_row) << list;
        EXPECT_EQ(lan.describe(two), without_row) << list;
        lan.world.named.clear();
    }
}

TEST(NamedRowsJoin, WhatTheSecondListNamesIsNotUnlisted) {
    Lan lan;
    const Pair one = lan.one();
    lan.unlist(one);
    ASSERT_EQ(lan.describe(one), unlisted);
    ServerClient came;
    came.host_name = "web1";
    came.host_port = 41235;
    lan.world.named[lan.db].add(came);
    EXPECT_EQ(lan.describe(one), unlisted) << "another port";
    came.host_port = 41234;
    lan.world.named[lan.db].add(came);
    EXPECT_EQ(lan.describe(one), without_row);
}

TEST(NamedRowsJoin, AUnixSocketsRowIsNoneOfThese) {
    Lan lan;
    const Pair one = lan.one();
    lan.unlist(one);
    ServerClient& row = lan.world.answer(lan.db).clients.emplace_back();
    row.id = 99;
    row.by_unix_socket = true;
    EXPECT_EQ(lan.describe(one), unlisted);
}

// The dead are found by the kernel, and told with their rows.
TEST(NamedRowsJoin, GhostsAndOrphansByTheKernel) {
    Lan lan;
    const Pair ghost = lan.one();
    const Pair orphan = lan.two("10.0.0.8:41235");
    const std::uint64_t id = thread_by_name(lan.world, ghost).id;
    lan.world.lose_client(ghost);
    lan.world.lose_server(orphan);
    EXPECT_EQ(lan.describe(ghost), "ghost [peer-socket-absent] " + std::to_string(id));
    EXPECT_EQ(lan.describe(orphan), "orphan [peer-socket-absent] -");
}

// What lives at the server although its list seems to lack it: to a server out of sight nothing
// tells an orphan but a list that can name it.
TEST(NamedRowsJoin, AServerOutOfSight) {
    for (const bool own_by_name : {false, true}) {
        World world;
        const NetnsId web = world.host("web", "10.0.0.7");
        world.device(web, "eth1");
        const std::size_t db = remote_mariadb(world, web, "10.9.0.1:3306");
        if (own_by_name) world.answer(db).own_address_seen.reset();
        const Pair named = world.connect(web, "10.0.0.7:41234", db);
        const Pair unlisted_one = world.connect(web, "10.0.0.7:41235", db);
        thread_by_name(world, named);
        world.unlist(unlisted_one);
        EXPECT_EQ(world.verdict_of(named), "healthy [server-listing]");
        EXPECT_EQ(world.verdict_of(unlisted_one), "unverified [peer-out-of-sight]");
    }
}

TEST(NamedRowsSet, WhomTheyMayBeOf) {
    NamedRows rows;
    EXPECT_FALSE(rows.may_be(end("10.0.0.7:41234")));
    ServerClient row;
    row.address = end("10.0.0.7:41234");
    rows.add(row);
    row = {};
    row.by_unix_socket = true;
    rows.add(row);
    EXPECT_FALSE(rows.may_be(end("10.0.0.7:41234"))) << "these are no rows of such a kind";
    row = {};
    row.host_name = "web1";
    row.host_port = 41234;
    rows.add(row);
    EXPECT_TRUE(rows.may_be(end("10.0.0.7:41234")));
    EXPECT_TRUE(rows.may_be(end("[2001:db8::1]:41234")));
    EXPECT_FALSE(rows.may_be(end("10.0.0.7:41235")));
    row.host_port.reset();
    rows.add(row);
    EXPECT_TRUE(rows.may_be(end("10.0.0.7:41235")));
}

// A server whose list is what the test says.
struct Listing : probes::Conversation {
    std::optional<std::vector<ServerClient>> rows;
    ServerAnswer ask(const Endpoint&, const probes::RunInside&) override { return {}; }
    ServerAnswer ask_unix(const std::string&, const probes::RunInside&) override { return {}; }
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const override { return std::nullopt; }
    std::optional<std::vector<ServerClient>> clients_again() override { return rows; }
    bool same_server_again() override { return false; }
    std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t>) override {
        return std::nullopt;
    }
    std::vector<probes::KillAnswer> kill_clients(std::span<const std::uint64_t>) override {
        return {};
    }
    std::string set_config(std::string_view, std::string_view) override { return {}; }
};

TEST(NamedRowsKernelWitness, ANameMayBeAnybodyWithItsPort) {
    collect::Namespaces namespaces(netlink::find_own_netns().found);
    auto listing = std::make_shared<Listing>();
    listing->rows.emplace(2);
    (*listing->rows)[0].address = end("10.0.0.7:41234");
    (*listing->rows)[1].host_name = "web1";
    (*listing->rows)[1].host_port = 41235;
    std::vector<Server> servers(3);
    servers[0].conversation = listing;
    servers[1].conversation = std::make_shared<Listing>();
    const std::vector<Namespace> networks;
    collect::KernelWitness witness(namespaces, networks, servers);
    EXPECT_EQ(witness.listed(0, end("10.0.0.7:41234")), true);
    EXPECT_EQ(witness.listed(0, end("10.0.0.8:41234")), false);
    EXPECT_EQ(witness.listed(0, end("10.0.0.7:41235")), std::nullopt);
    EXPECT_EQ(witness.listed(1, end("10.0.0.7:41234")), std::nullopt) << "no list";
    EXPECT_EQ(witness.listed(2, end("10.0.0.7:41234")), std::nullopt) << "nobody was asked";
}

}  // namespace
}  // namespace connleak

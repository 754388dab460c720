// One row per connection: server's socket, row of the client list, client's socket, put together
// and never crossed.
#include <gtest/gtest.h>

#include "diagnosis/connections/join.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;
using test::Pair;
using test::World;

// "10.0.0.1:6379 <- 10.0.0.2:40001 server client row", a line for each connection.
std::string joined(const Report& report, const World& world) {
    std::string text;
    for (const Connection& each : report.connections) {
        text += each.server_end.text() + " <- " +
                (each.client_path.empty() ? each.client_end.text() : each.client_path);
        for (const auto& [name, side] :
             {std::pair{" server", each.server_socket}, {" client", each.client_socket}})
            if (side != nullptr)
                text += name + ('@' + world.sample.namespaces[side->netns - 4'026'531'840].name);
        if (each.row != nullptr) text += " row" + std::to_string(each.row->id);
        text += '\n';
    }
    return text;
}

TEST(Join, OneRowPerConnection) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    world.connect(web, "10.0.0.2:40001", redis);
    world.connect(server, "10.0.0.1:40002", redis);
    world.connect(0, "10.9.9.9:40001", redis);
    const Report report = world.report();
    EXPECT_EQ(joined(report, world),
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server client@web row3\n"
              "10.0.0.1:6379 <- 10.0.0.1:40002 server@server client@server row4\n"
              "10.0.0.1:6379 <- 10.9.9.9:40001 server@server row5\n");
    EXPECT_EQ(report.counts[0].verdict[std::size_t(Verdict::healthy)], 2U);
    EXPECT_EQ(report.counts[0].verdict[std::size_t(Verdict::unverified)], 1U);
    EXPECT_EQ(report.counts[0].keepalive[std::size_t(Keepalive::off)], 3U);
    EXPECT_EQ(world.settled, 0) << "nothing was in doubt";
}

TEST(Join, ANameIsPlacedByThePortThatOnlyItHas) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const std::size_t database = world.redis(server, "10.0.0.1:3306");
    const auto shows_name = [](ServerClient& row) {
        row.host_name = "web.example";
        row.host_port = row.address->port;
        row.address.reset();
        row.local_address.reset();
        row.fd.reset();
    };
    world.connect(0, "10.0.0.2:40001", database);
    world.connect(0, "10.0.0.3:40002", database);
    auto& rows = world.sample.servers[database].answer.clients;
    for (ServerClient& row : rows) shows_name(row);
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:3306 <- 10.0.0.2:40001 server@server row3\n"
              "10.0.0.1:3306 <- 10.0.0.3:40002 server@server row4\n");
    // Another host's connection from the same port, which the dump of the sockets lacks.
    rows.push_back(rows.front());
    rows.back().id = 9;
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:3306 <- 10.0.0.2:40001 server@server\n"
              "10.0.0.1:3306 <- 10.0.0.3:40002 server@server row4\n");
}

TEST(Join, Ipv6AndMappedAddresses) {
    World world;
    const NetnsId server = world.host("server", "2001:db8::1");
    const NetnsId web = world.host("web", "2001:db8::2");
    world.own_address(server, "10.0.0.1");
    world.own_address(web, "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "[2001:db8::1]:6379");
    world.sample.servers[redis].listening = {end("[::]:6379")};
    const Pair six = world.connect(web, "[2001:db8::2]:40001", redis);
    // A v4 client of a dual-stack socket: the kernel's ::ffff:10.0.0.2 is 10.0.0.2 here.
    const Pair mapped = world.connect(web, "10.0.0.2:40001", redis, 700, "10.0.0.1:6379");
    world.change_server(mapped, [](Socket& each) { each.ipv6_socket = true; });
    EXPECT_EQ(joined(world.report(), world),
              "[2001:db8::1]:6379 <- [2001:db8::2]:40001 server@server client@web row3\n"
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server client@web row4\n");
    EXPECT_EQ(world.verdict_of(six), "healthy [peer-socket-present]");
}

TEST(Join, LoopbackIsAnotherHostInEachNamespace) {
    World world;
    const NetnsId one = world.netns("one");
    const NetnsId two = world.netns("two");
    const std::size_t first = world.redis(one, "127.0.0.1:6379", 500);
    const std::size_t second = world.redis(two, "127.0.0.1:6379", 501);
    const Pair a = world.connect(one, "127.0.0.1:40001", first);
    const Pair b = world.connect(two, "127.0.0.1:40001", second, 701);
    EXPECT_EQ(joined(world.report(), world),
              "127.0.0.1:6379 <- 127.0.0.1:40001 server@one client@one row3\n"
              "127.0.0.1:6379 <- 127.0.0.1:40001 server@two client@two row4\n");
    // The same tuple lives in the other namespace, which does not help this one.
    world.lose_client(b);
    const Report report = world.report();
    EXPECT_EQ(world.verdict_of(report, a), "healthy [peer-socket-present]");
    EXPECT_EQ(world.verdict_of(report, b), "ghost [peer-socket-absent]");
}

TEST(Join, RemoteServersOnLoopbackAreToldApartToo) {
    // Neither listens any more: they are known from their clients alone.
    World world;
    const NetnsId one = world.netns("one");
    const NetnsId two = world.netns("two");
    for (const NetnsId where : {one, two}) {
        Server server;
        server.endpoint = end("127.0.0.1:6379");
        server.netns = where;
        world.sample.servers.push_back(server);
        world.socket(where, {end("127.0.0.1:40001"), end("127.0.0.1:6379")}, 700 + int(where % 2));
    }
    const Report report = world.report();
    ASSERT_EQ(report.connections.size(), 2U);
    EXPECT_EQ(report.connections[0].server, 0U);
    EXPECT_EQ(report.connections[1].server, 1U);
}

TEST(Join, TwoPairsOfNamespacesWithTheSameAddressesAreNeverCrossed) {
    World world;
    std::vector<Pair> pairs;
    for (const char* name : {"a", "b"}) {
        const NetnsId server = world.host(std::string("server-") + name, "10.0.0.1");
        const NetnsId web = world.host(std::string("web-") + name, "10.0.0.2");
        world.cable(server, web);
        const std::size_t redis = world.redis(server, "10.0.0.1:6379", 500 + *name);
        pairs.push_back(world.connect(web, "10.0.0.2:40001", redis, 700 + *name));
    }
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server-a client@web-a row3\n"
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server-b client@web-b row4\n");
    world.lose_client(pairs[1]);
    const Report report = world.report();
    EXPECT_EQ(world.verdict_of(report, pairs[0]), "healthy [peer-socket-present]");
    EXPECT_EQ(world.verdict_of(report, pairs[1]), "ghost [peer-socket-absent]");
}

TEST(Join, WhereTheWayIsNotKnownNothingIsJoinedAndNothingIsConcluded) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId one = world.host("one", "10.0.0.2");
    const NetnsId two = world.host("two", "10.0.0.2");
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    const Pair pair = world.connect(one, "10.0.0.2:40001", redis);
    world.socket(two, pair.client_tuple, 701);
    for (const Connection& each : world.report().connections) {
        EXPECT_TRUE(each.server_socket == nullptr || each.client_socket == nullptr);
        EXPECT_TRUE(each.verdict == Verdict::unverified || each.verdict == Verdict::healthy)
            << test::describe(each);
    }
}

TEST(Join, AServerWithSeveralListeners) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.own_address(server, "10.0.0.7");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379", 500);
    world.sample.servers[redis].listening = {end("0.0.0.0:6379"), end("10.0.0.1:6380"),
                                             end("[::]:6381")};
    world.connect(web, "10.0.0.2:40001", redis, 700, "10.0.0.7:6379");
    world.connect(web, "10.0.0.2:40001", redis, 700, "10.0.0.1:6380");
    world.connect(web, "10.0.0.2:40001", redis, 700, "10.0.0.7:6381");
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.7:6379 <- 10.0.0.2:40001 server@server client@web row3\n"
              "10.0.0.1:6380 <- 10.0.0.2:40001 server@server client@web row4\n"
              "10.0.0.7:6381 <- 10.0.0.2:40001 server@server client@web row5\n");
    const Server& its = world.sample.servers[redis];
    EXPECT_TRUE(listens_on(its, end("10.0.0.1:6380")));
    EXPECT_FALSE(listens_on(its, end("10.0.0.7:6380")));
    EXPECT_TRUE(listens_on(its, end("10.0.0.7:6379")));
    EXPECT_FALSE(listens_on(its, end("[2001:db8::1]:6379"))) << "0.0.0.0 is IPv4 alone";
    EXPECT_TRUE(listens_on(its, end("[2001:db8::1]:6381")));
}

TEST(Join, TwoServersOnOnePort) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t wildcard = world.redis(server, "0.0.0.0:6379", 500);
    const std::size_t specific = world.redis(server, "10.0.0.1:6379", 501);
    const Pair old = world.connect(web, "10.0.0.2:40001", wildcard, 700, "10.0.0.1:6379");
    const Pair new_one = world.connect(web, "10.0.0.2:40002", specific);
    const Report report = world.report();
    EXPECT_EQ(world.verdict_of(report, old), "healthy [peer-socket-present]")
        << "its owner is the wildcard's process";
    EXPECT_EQ(world.verdict_of(report, new_one), "healthy [peer-socket-present]");
}

TEST(Join, RowsWithoutLaddrAreJoinedByTheClientsAddress) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    world.sample.servers[redis].listening = {end("0.0.0.0:6379"), end("0.0.0.0:6380")};
    world.connect(web, "10.0.0.2:40001", redis);
    // The same port twice, to two ports of the server: the descriptor tells them apart.
    world.connect(web, "10.0.0.2:40002", redis, 700, "10.0.0.1:6379");
    world.connect(web, "10.0.0.2:40002", redis, 700, "10.0.0.1:6380");
    for (ServerClient& row : world.answer(redis).clients) row.local_address.reset();
    std::ranges::reverse(world.answer(redis).clients);
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server client@web row3\n"
              "10.0.0.1:6379 <- 10.0.0.2:40002 server@server client@web row4\n"
              "10.0.0.1:6380 <- 10.0.0.2:40002 server@server client@web row5\n");
}

TEST(Join, RowsWithoutAnyAddressAreJoinedByTheDescriptor) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    world.connect(web, "10.0.0.2:40001", redis);
    world.connect(web, "10.0.0.2:40002", redis);
    for (ServerClient& row : world.answer(redis).clients) {
        row.address.reset();
        row.local_address.reset();
    }
    world.answer(redis).clients[1].fd = -1;  // a client that is none
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server client@web row3\n"
              "10.0.0.1:6379 <- 10.0.0.2:40002 server@server client@web\n");
}

TEST(Join, UnixSocketsHaveARowAlone) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    ServerClient row;
    row.id = 9;
    row.path = "/run/redis.sock";
    row.fd = 8;
    row.idle_s = 3;
    world.answer(redis).clients = {row, row};
    const Report report = world.report();
    EXPECT_EQ(joined(report, world),
              "10.0.0.1:6379 <- /run/redis.sock row9\n10.0.0.1:6379 <- /run/redis.sock row9\n");
    EXPECT_EQ(test::describe(report.connections[0]), "healthy [recent-traffic]");
    EXPECT_EQ(world.settled, 0) << "there is nothing to look at again";
}

TEST(Join, AReplicasMasterIsNoClient) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    world.row(world.connect(web, "10.0.0.2:40001", redis));
    ServerClient master;
    master.id = 99;
    master.address = end("10.0.0.5:6379");
    master.local_address = end("10.0.0.1:51000");
    master.opened_by_server = true;
    world.answer(redis).clients = {master};
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:6379 <- 10.0.0.2:40001 server@server client@web\n");
}

TEST(Join, OurOwnConnectionsAreLeftOut) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId other = world.host("other", "10.0.0.1");
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    const Tuple own = *world.answer(redis).own_connection;
    world.socket(server, own, World::own_pid);
    world.socket(server, own.mirrored(), 500);
    // Another that our process holds, of which no answer tells.
    world.socket(server, {end("10.0.0.1:50001"), end("10.0.0.1:6379")}, World::own_pid);
    EXPECT_EQ(joined(world.report(), world), "");
    // The same tuple in another namespace is somebody else's.
    const std::size_t theirs = world.redis(other, "10.0.0.1:6379", 501);
    world.answer(theirs).own_connection.reset();
    world.connect(other, own.local.text(), theirs, 702);
    EXPECT_EQ(joined(world.report(), world),
              "10.0.0.1:6379 <- 10.0.0.1:59999 server@other client@other row3\n");
}

TEST(Join, OurOwnTranslatedConnectionIsLeftOut) {
    World world;
    const NetnsId home = world.host("home", "10.0.0.9");
    const NetnsId server = world.host("server", "172.17.0.2");
    const std::size_t redis = world.redis(server, "172.17.0.2:6379");
    ServerAnswer& answer = world.answer(redis);
    world.sample.servers[redis].asked_from = home;
    answer.own_connection = Tuple{end("10.0.0.9:59999"), end("10.0.0.9:6379")};
    answer.own_address_seen = end("172.17.0.1:33000");
    answer.own_local_seen = end("172.17.0.2:6379");
    world.socket(home, *answer.own_connection, World::own_pid);
    world.socket(server, {end("172.17.0.2:6379"), end("172.17.0.1:33000")}, 500);
    EXPECT_EQ(joined(world.report(), world), "");
}

TEST(Join, TheLivingIsPairedBeforeWhatIsLeftOfTheLast) {
    World world;
    const NetnsId server = world.host("server", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(server, web);
    const std::size_t redis = world.redis(server, "10.0.0.1:6379");
    const Pair pair = world.connect(web, "10.0.0.2:40001", redis);
    Socket last = world.sample.sockets[0];
    last.state = State::time_wait;
    last.inode = 0;
    last.cookie = 77;
    world.sample.sockets.insert(world.sample.sockets.begin(), last);
    EXPECT_EQ(world.verdict_of(pair), "healthy [peer-socket-present] and transient []");
}

}  // namespace
}  // namespace connleak

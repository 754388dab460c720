// Connections by Unix socket, put together and judged from memory.
#include "diagnosis/connections/unix_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace connleak {
namespace {

constexpr std::int32_t own_pid = 1;
constexpr std::int32_t redis_pid = 100;
constexpr NetnsId netns = 4'026'531'840;
const std::string path = "/run/redis.sock";

struct World : Witness {
    Sample sample;
    Policy policy;
    std::optional<std::vector<UnixSocket>> again;  // absent: as it was
    bool blind = false;                            // no second look at the sockets
    std::map<std::size_t, std::vector<ServerClient>> lists;
    bool lists_again = true;
    int settled = 0;
    std::deque<Socket> found;

    World() { add_server(path, redis_pid, 10); }

    std::size_t add_server(const std::string& at, std::int32_t pid, std::uint32_t inode) {
        Server server;
        server.path = at;
        server.pid = pid;
        server.netns = netns;
        server.unix_listening = {{inode, netns, at, at}};
        server.answer.asked = server.answer.reachable = server.answer.clients_complete = true;
        sample.servers.push_back(server);
        add(inode, State::listen, at, 0);
        own(inode, pid, 6);
        return sample.servers.size() - 1;
    }

    UnixSocket& add(std::uint32_t inode, State state, const std::string& name, std::uint32_t peer) {
        UnixSocket socket;
        socket.socket.netns = netns;
        socket.socket.state = state;
        socket.socket.inode = inode;
        socket.socket.cookie = inode + 1000;
        socket.name = name;
        socket.peer_inode = peer;
        return sample.unix_side.sockets.emplace_back(socket);
    }

    void own(std::uint32_t inode, std::int32_t pid, std::int32_t fd) {
        sample.processes.owners[inode].push_back({pid, fd});
        Process process;
        process.pid = process.namespace_pid = pid;
        process.group = "process " + std::to_string(pid);
        sample.processes.by_pid.try_emplace(pid, process);
    }

    // Accepted as `inode` and descriptor `fd`, by a client's `inode` + 1.
    void connect(std::uint32_t inode, std::int32_t fd, std::int32_t client_pid = 200,
                 std::int32_t server_pid = redis_pid) {
        add(inode, State::established, path, inode + 1);
        add(inode + 1, State::established, "", inode);
        own(inode, server_pid, fd);
        own(inode + 1, client_pid, 3);
        sample.unix_side.earlier.insert(inode);
    }

    ServerClient& row(std::uint64_t id, std::int32_t fd, std::size_t server = 0) {
        ServerClient client;
        client.id = id;
        client.fd = fd;
        client.path = path;
        client.by_unix_socket = true;
        client.age_s = 50;
        client.idle_s = 5;
        return sample.servers[server].answer.clients.emplace_back(client);
    }

    UnixSocket& socket(std::uint32_t inode, std::vector<UnixSocket>& all) {
        return *std::ranges::find(all, inode,
                                  [](const UnixSocket& each) { return each.socket.inode; });
    }
    UnixSocket& socket(std::uint32_t inode) { return socket(inode, sample.unix_side.sockets); }

    // The end that is left when its peer is closed.
    void leave(std::uint32_t inode, std::vector<UnixSocket>& all) {
        UnixSocket& end = socket(inode, all);
        std::erase_if(all, [gone = end.peer_inode](const UnixSocket& each) {
            return each.socket.inode == gone;
        });
        UnixSocket& left = socket(inode, all);
        left.peer_inode = 0;
        left.shutdown = 3;
    }

    void settle() override { ++settled; }
    Look look(NetnsId, const Tuple&) override { return {}; }
    Tracking tracked(NetnsId, const Tuple&) override { return {}; }
    std::optional<std::vector<Endpoint>> peers_of_local_end(NetnsId, const Endpoint&) override {
        return std::nullopt;
    }
    std::optional<bool> listed(std::size_t, const Endpoint&) override { return std::nullopt; }
    bool same_server_again(std::size_t) override { return false; }
    std::optional<Hop> route(NetnsId, const Address&) override { return std::nullopt; }
    std::optional<std::vector<std::uint8_t>> neighbour(NetnsId, std::uint32_t,
                                                       const Address&) override {
        return std::nullopt;
    }
    std::int64_t now_ms() override { return 0; }
    std::optional<std::vector<UnixSocket>> unix_sockets_again() override {
        if (blind) return std::nullopt;
        return again ? *again : sample.unix_side.sockets;
    }
    std::optional<std::vector<ServerClient>> clients_again(std::size_t server) override {
        if (!lists_again) return std::nullopt;
        const auto list = lists.find(server);
        return list != lists.end() ? list->second : sample.servers[server].answer.clients;
    }

    // "server-inode client-inode row-id verdict [evidence]" a line, sorted.
    std::string describe() {
        std::vector<std::string> lines;
        const auto inode = [](const Socket* socket) {
            return socket == nullptr ? "-" : std::to_string(socket->inode);
        };
        for (const Connection& each : join_unix(sample, policy, *this, own_pid, found)) {
            std::string line = each.server == 0 ? "" : std::to_string(each.server) + ": ";
            line += inode(each.server_socket) + ' ' + inode(each.client_socket) + ' ' +
                    (each.row == nullptr ? "-" : std::to_string(each.row->id)) + ' ' +
                    std::string(to_string(each.verdict)) + " [";
            for (const Evidence evidence : each.evidence)
                line += (line.ends_with('[') ? "" : " ") + std::string(to_string(evidence));
            lines.push_back(line + "]\n");
        }
        std::ranges::sort(lines);
        std::string text;
        for (const std::string& line : lines) text += line;
        return text;
    }
};

TEST(UnixJoin, BothEndsAndTheirRow) {
    World world;
    world.connect(20, 8);
    world.connect(30, 9);
    world.row(2, 9);
    world.row(1, 8);
    EXPECT_EQ(world.describe(),
              "20 21 1 healthy [peer-socket-present]\n30 31 2 healthy [peer-socket-present]\n");
    EXPECT_EQ(world.settled, 0);
}

TEST(UnixJoin, OurOwnIsLeftOut) {
    World world;
    world.connect(20, 8, own_pid);
    EXPECT_EQ(world.describe(), "");
}

TEST(UnixJoin, ThePeerClosed) {
    World world;
    world.connect(20, 8);
    world.row(1, 8);
    world.leave(20, world.sample.unix_side.sockets);
    EXPECT_EQ(world.describe(), "20 - 1 close-wait [peer-closed]\n");
    EXPECT_EQ(world.settled, 1);
    // What has gone by the second look was an ordinary end.
    world.again = world.sample.unix_side.sockets;
    std::erase_if(*world.again, [](const UnixSocket& each) { return each.socket.inode == 20; });
    EXPECT_EQ(world.describe(), "");
    world.blind = true;
    EXPECT_EQ(world.describe(), "20 - 1 unverified [peer-out-of-sight]\n");
}

TEST(UnixJoin, ACopyInAForkedChildIsNoLeak) {
    World world;
    world.connect(20, 8);
    world.leave(20, world.sample.unix_side.sockets);
    world.own(20, 101, 8);
    world.own(10, 101, 6);
    world.sample.processes.by_pid[101].parent = redis_pid;
    EXPECT_EQ(world.describe(), "20 - - close-wait [peer-closed]\n")
        << "the server holds it as well";
    world.sample.processes.owners[20] = {{101, 8}};
    EXPECT_EQ(world.describe(), "");
    world.sample.processes.by_pid[101].parent = 1;
    EXPECT_EQ(world.describe(), "20 - - close-wait [peer-closed]\n");
    // A server that forks its workers and tells of no client.
    world.sample.processes.by_pid[101].parent = redis_pid;
    world.sample.servers[0].answer.clients_complete = false;
    EXPECT_EQ(world.describe(), "20 - - close-wait [peer-closed]\n");
}

TEST(UnixJoin, AnotherSocketWithTheInodeIsNotTheOne) {
    World world;
    world.connect(20, 8);
    world.leave(20, world.sample.unix_side.sockets);
    world.again = world.sample.unix_side.sockets;
    world.socket(20, *world.again).socket.cookie = 7;
    EXPECT_EQ(world.describe(), "");
}

TEST(UnixJoin, WhatEndsBetweenTheLooksIsTransient) {
    World world;
    world.connect(20, 8);  // with no row: looked at again
    world.again = world.sample.unix_side.sockets;
    world.leave(20, *world.again);
    EXPECT_EQ(world.describe(), "20 - - transient []\n");
}

TEST(UnixJoin, AClientsEndThatIsLeft) {
    World world;
    world.connect(20, 8);
    world.leave(21, world.sample.unix_side.sockets);
    EXPECT_EQ(world.describe(), "") << "whose client it was is not known";
    world.sample.unix_side.remotes[21] = {path, redis_pid};
    EXPECT_EQ(world.describe(), "- 21 - close-wait [peer-closed]\n");
    world.sample.unix_side.remotes[21] = {"/run/other.sock", redis_pid};
    EXPECT_EQ(world.describe(), "");
    // Its server ended, and one listens there now: it is that one's path.
    world.sample.unix_side.remotes[21] = {path, 99};
    EXPECT_EQ(world.describe(), "- 21 - close-wait [peer-closed]\n");
    // Of two it is one's own.
    world.add_server(path, 101, 11);
    EXPECT_EQ(world.describe(), "");
    world.sample.unix_side.remotes[21] = {path, 101};
    EXPECT_EQ(world.describe(), "1: - 21 - close-wait [peer-closed]\n");
}

TEST(UnixJoin, NobodyAccepts) {
    World world;
    world.add(21, State::established, "", 0);
    world.own(21, 200, 3);
    world.socket(10).pending = {21, 999};
    EXPECT_EQ(world.describe(), "- 21 - unaccepted [accept-queue]\n");
    // Accepted in between: it has an end there now.
    world.again = world.sample.unix_side.sockets;
    world.socket(10, *world.again).pending.clear();
    world.socket(21, *world.again).peer_inode = 20;
    UnixSocket accepted = world.socket(21, *world.again);
    accepted.socket.inode = 20;
    accepted.name = path;
    accepted.peer_inode = 21;
    world.again->push_back(accepted);
    EXPECT_EQ(world.describe(), "20 21 - healthy [peer-socket-present]\n");
    // Ours waits as well, at a server that is stopped.
    world.sample.processes.owners[21] = {{own_pid, 3}};
    EXPECT_EQ(world.describe(), "");
}

TEST(UnixJoin, HalfClosed) {
    World world;
    world.connect(20, 8);
    world.row(1, 8);
    world.socket(20).shutdown = 1;
    world.socket(21).shutdown = 2;
    EXPECT_EQ(world.describe(), "20 21 1 suspect [peer-closing]\n");
}

TEST(UnixJoin, TheServerDoesNotListWhatItHolds) {
    World world;
    world.connect(20, 8);
    world.connect(30, 9);
    world.row(2, 9);
    EXPECT_EQ(world.describe(),
              "20 21 - suspect [peer-socket-present server-not-listing]\n"
              "30 31 2 healthy [peer-socket-present]\n");
    // It came after the list was made.
    world.row(3, 8);
    world.lists[0] = world.sample.servers[0].answer.clients;
    world.sample.servers[0].answer.clients.pop_back();
    EXPECT_EQ(world.describe(),
              "20 21 - healthy [peer-socket-present]\n30 31 2 healthy [peer-socket-present]\n");
    world.lists_again = false;
    EXPECT_EQ(world.describe(),
              "20 21 - healthy [peer-socket-present]\n30 31 2 healthy [peer-socket-present]\n");
    world.lists_again = true;
    world.lists.clear();
    world.sample.servers[0].answer.clients_complete = false;
    EXPECT_EQ(world.describe(),
              "20 21 - healthy [peer-socket-present]\n30 31 2 healthy [peer-socket-present]\n");
}

TEST(UnixJoin, ADescriptorThatIsUsedAgain) {
    // Row 1 had descriptor 8 when the list was made; the socket that has it now came later.
    World world;
    world.connect(20, 8);
    world.sample.unix_side.earlier.clear();
    world.row(1, 8);
    EXPECT_EQ(world.describe(), "20 21 1 healthy [peer-socket-present]\n");
    world.lists[0] = world.sample.servers[0].answer.clients;
    world.lists[0][0].id = 2;
    EXPECT_EQ(world.describe(), "20 21 - healthy [peer-socket-present]\n");
}

TEST(UnixJoin, RowsOfWhatIsNotInSight) {
    World world;
    world.row(1, 8);
    world.row(2, 9).idle_s = 900;
    EXPECT_EQ(world.describe(),
              "- - 1 healthy [recent-traffic]\n- - 2 unverified [peer-out-of-sight]\n");
    EXPECT_EQ(world.settled, 0);
    world.lists[0] = {world.sample.servers[0].answer.clients[1]};
    EXPECT_EQ(world.describe(), "- - 2 unverified [peer-out-of-sight]\n")
        << "the other one has ended";
}

TEST(UnixJoin, WithoutRightsEachCountsOnce) {
    World world;
    world.connect(20, 8);
    world.connect(30, 9);
    world.row(1, 8);
    world.sample.processes.owners.clear();
    EXPECT_EQ(world.describe(),
              "- - 1 healthy [recent-traffic]\n30 31 - healthy [peer-socket-present]\n");
    world.row(2, 9);
    EXPECT_EQ(world.describe(), "- - 1 healthy [recent-traffic]\n- - 2 healthy [recent-traffic]\n");
}

TEST(UnixJoin, TheSamePathTwice) {
    World world;
    const std::size_t other = world.add_server(path, 101, 11);
    world.connect(20, 8);
    world.connect(30, 8, 200, 101);
    world.row(1, 8);
    world.row(1, 8, other);
    EXPECT_EQ(world.describe(),
              "1: 30 31 1 healthy [peer-socket-present]\n20 21 1 healthy [peer-socket-present]\n");
    // Whose it is cannot be told without its owner.
    world.sample.processes.owners.erase(20);
    world.sample.servers[0].answer.clients.clear();
    EXPECT_EQ(world.describe(), "1: 30 31 1 healthy [peer-socket-present]\n");
}

TEST(UnixJoin, TheListOfAnotherProcessSaysNothingOfTheseSockets) {
    World world;
    world.connect(20, 8);
    world.row(1, 8);
    world.sample.servers[0].answer.process_id = 7;
    EXPECT_EQ(world.describe(),
              "- - 1 healthy [recent-traffic]\n20 21 - healthy [peer-socket-present]\n");
    // In a pid namespace of its own it is 7.
    world.sample.processes.by_pid[redis_pid].namespace_pid = 7;
    EXPECT_EQ(world.describe(), "20 21 1 healthy [peer-socket-present]\n");
}

TEST(UnixJoin, AServiceManagerThatHoldsTheListenerToo) {
    World world;
    world.sample.processes.owners[10] = {{1000, 40}, {redis_pid, 6}};
    world.sample.servers[0].pid = 1000;
    world.connect(20, 8);
    EXPECT_EQ(world.describe(), "20 21 - healthy [peer-socket-present]\n");
}

TEST(UnixJoin, NeverGhostOrOrphan) {
    // Every combination of what a record can say, in both looks.
    for (unsigned bits = 0; bits < 4096; ++bits) {
        World world;
        world.connect(20, 8);
        const auto apply = [&](std::vector<UnixSocket>& all, unsigned how) {
            world.socket(20, all).shutdown = how & 3U;
            world.socket(21, all).shutdown = how >> 2U & 3U;
            if ((how & 16U) != 0) world.socket(20, all).peer_inode = 0;
            if ((how & 32U) != 0) world.socket(21, all).peer_inode = 0;
        };
        world.again = world.sample.unix_side.sockets;
        apply(world.sample.unix_side.sockets, bits & 63U);
        apply(*world.again, bits >> 6U);
        world.sample.unix_side.remotes[21] = {path, redis_pid};
        if (bits % 3 == 0) world.row(1, 8);
        const std::string told = world.describe();
        EXPECT_FALSE(told.contains("ghost") || told.contains("orphan")) << bits << told;
    }
}

}  // namespace
}  // namespace connleak

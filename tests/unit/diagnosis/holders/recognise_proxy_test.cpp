// What tells a proxy from an application that listens and uses a server.
#include "diagnosis/holders/recognise_proxy.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;

constexpr NetnsId here = 4'026'531'840;

struct Traffic {
    std::uint64_t forward = 0;
    std::uint64_t backward = 0;
    std::uint32_t request_ago_ms = 60'000;
    std::uint32_t reply_ago_ms = 60'000;
};

struct Process : ProxyCandidate {
    explicit Process(std::string name, const std::vector<const char*>& places = {"0.0.0.0:6380"}) {
        pid = 700;
        comm = std::move(name);
        for (const char* place : places) listening.push_back({here, end(place)});
    }
    Socket& accept(Traffic traffic, std::string_view local = "10.0.0.1:6380") {
        const std::string client = "10.0.0.9:" + std::to_string(++port);
        Socket& made = accepted.emplace_back(socket(local, client));
        made.info = TcpInfo{.last_data_sent_ms = traffic.reply_ago_ms,
                            .last_data_received_ms = traffic.request_ago_ms,
                            .last_ack_received_ms = 5'000,
                            .bytes_received = traffic.forward,
                            .bytes_sent = traffic.backward};
        return made;
    }
    Socket& connect(Traffic traffic) {
        const std::string local = "10.0.0.1:" + std::to_string(++port);
        Socket& made = upstream.emplace_back(socket(local, "10.0.0.2:6379"));
        made.info = TcpInfo{.last_data_sent_ms = traffic.request_ago_ms,
                            .last_data_received_ms = traffic.reply_ago_ms,
                            .last_ack_received_ms = 5'000,
                            .bytes_received = traffic.backward,
                            .bytes_sent = traffic.forward};
        return made;
    }
    Socket socket(std::string_view local, std::string_view remote) {
        Socket made;
        made.netns = here;
        made.tuple = {end(local), end(remote)};
        made.state = State::established;
        made.inode = ++inode;
        return made;
    }
    // "traffic, one to one, 0.0.0.0:6380: 40001>100002"
    std::string describe() const {
        const auto proxy = recognise_proxy(*this);
        if (!proxy) return "none";
        EXPECT_EQ(proxy->pid, pid);
        std::string text(to_string(proxy->sign));
        text += proxy->one_to_one ? ", one to one," : ", pooled,";
        for (const ProxyListener& each : proxy->listening) text += ' ' + each.endpoint.text();
        text += proxy->clients_known ? ":" : ", clients unknown";
        for (const ProxyClient& client : proxy->clients) {
            text += ' ' + std::to_string(client.address.port);
            if (client.upstream != 0)
                text += (client.lookalikes != 0 ? "~" : ">") + std::to_string(client.upstream);
        }
        return text;
    }
    std::uint32_t inode = 0;
    int port = 40'000;
};

TEST(RecogniseProxy, ARelayOfAnyName) {
    Process relay("python3");
    relay.accept({140, 70, 9'000, 9'000});
    relay.connect({140, 70, 9'000, 9'000});
    relay.accept({3'000, 8'000});
    relay.connect({3'000, 8'000});
    relay.accept({0, 0});  // connected, and not a word yet
    EXPECT_EQ(relay.describe(), "traffic, one to one, 0.0.0.0:6380: 40001>2 40003>4 40005");
}

TEST(RecogniseProxy, AnApplicationWithAPool) {
    Process app("node", {"0.0.0.0:8080"});
    for (std::uint64_t each = 0; each < 20; ++each) {
        // Each request is answered with the help of the server, at the same moment.
        app.accept({500 + each * 17, 2'000 + each * 31, std::uint32_t(each) * 4'000,
                    std::uint32_t(each) * 4'000},
                   "10.0.0.1:8080");
        app.connect({120 + each * 11, 900 + each * 7, std::uint32_t(each) * 4'000,
                     std::uint32_t(each) * 4'000});
    }
    EXPECT_EQ(app.describe(), "none");
    // Even if one of them agrees by chance.
    app.accept({120, 900, 0, 0}, "10.0.0.1:8080");
    EXPECT_EQ(app.describe(), "none");
}

TEST(RecogniseProxy, NobodyListensOrNobodyConnects) {
    Process relay("haproxy");
    relay.accept({140, 70});
    EXPECT_EQ(relay.describe(), "none");
    relay.connect({140, 70});
    relay.listening.clear();
    EXPECT_EQ(relay.describe(), "none");
}

TEST(RecogniseProxy, OnlyTheDoorThatLeadsToTheServer) {
    Process haproxy("haproxy", {"0.0.0.0:80", "0.0.0.0:6380"});
    for (int each = 0; each < 50; ++each) haproxy.accept({700, 9'000}, "10.0.0.1:80");
    haproxy.accept({140, 70});
    haproxy.connect({140, 70});
    haproxy.accept({1, 0});
    EXPECT_EQ(haproxy.describe(), "traffic, one to one, 0.0.0.0:6380: 40051>52 40053");
}

TEST(RecogniseProxy, Encrypted) {
    Process stunnel("stunnel4", {"127.0.0.1:6380", "127.0.0.1:6381"});
    stunnel.accept({140, 70, 9'000, 9'000}, "127.0.0.1:6380");
    stunnel.connect({900, 3'070, 9'004, 9'000});
    stunnel.accept({140, 70, 500, 500}, "127.0.0.1:6381");
    EXPECT_EQ(stunnel.describe(), "traffic, one to one, 127.0.0.1:6380: 40001>2");
    // Of a program that is not known, moments show nothing.
    stunnel.comm = "python3";
    EXPECT_EQ(stunnel.describe(), "none");
}

TEST(RecogniseProxy, KnownByItsNameAlone) {
    Process docker("docker-proxy");
    docker.accept({});
    docker.connect({});
    EXPECT_EQ(docker.describe(), "program, one to one, 0.0.0.0:6380: 40001");
    // Two doors, and nothing tells which.
    docker.listening.push_back({here, end("0.0.0.0:80")});
    docker.accept({10, 10, 1, 1}, "10.0.0.1:80");
    EXPECT_EQ(docker.describe(), "program, one to one, 0.0.0.0:80 0.0.0.0:6380, clients unknown");
    Process idle("haproxy", {"0.0.0.0:80", "0.0.0.0:6380"});
    idle.connect({14, 7});  // its health check
    EXPECT_EQ(idle.describe(), "program, one to one, 0.0.0.0:80 0.0.0.0:6380:");
}

TEST(RecogniseProxy, FewConnectionsForManyClients) {
    Process twemproxy("nutcracker", {"0.0.0.0:22121", "0.0.0.0:22222"});
    for (std::uint64_t each = 1; each <= 3; ++each)
        twemproxy.accept({14 * each, 7 * each, 60'000, 60'000}, "10.0.0.1:22121");
    twemproxy.connect({100, 50, 60'000, 60'000});
    EXPECT_EQ(twemproxy.describe(), "program, pooled, 0.0.0.0:22121: 40001 40002 40003");
    // Somebody reads its statistics; he was not there when the server was last asked.
    twemproxy.accept({5, 900, 100, 100}, "10.0.0.1:22222");
    EXPECT_EQ(twemproxy.describe(), "program, pooled, 0.0.0.0:22121: 40001 40002 40003");
    // A second connection to the server that no client's moment explains.
    twemproxy.connect({100, 50, 30'000, 30'000});
    EXPECT_EQ(twemproxy.describe(),
              "program, pooled, 0.0.0.0:22121 0.0.0.0:22222, clients unknown");
}

TEST(RecogniseProxy, ByTheSumOfAll) {
    Process proxy("my-proxy");
    proxy.accept({27, 5, 9'000, 9'000});
    proxy.accept({47, 12, 400, 400});
    proxy.accept({20, 7, 400, 400});
    proxy.connect({94, 24, 400, 400});
    EXPECT_EQ(proxy.describe(), "traffic, pooled, 0.0.0.0:6380: 40001 40002 40003");
    proxy.upstream.back().info->bytes_sent = 95;
    EXPECT_EQ(proxy.describe(), "none");
}

TEST(RecogniseProxy, WhatTheKernelSaysOfAClient) {
    Process relay("haproxy");
    Socket& quiet = relay.accept({140, 70, 90'000, 90'000});
    quiet.timer = {TimerKind::keepalive, 1'000, 3};
    quiet.info->last_ack_received_ms = 80'000;
    relay.connect({140, 70, 90'000, 90'000});
    relay.accept({28, 14}).state = State::close_wait;
    const auto proxy = recognise_proxy(relay);
    ASSERT_TRUE(proxy && proxy->clients.size() == 2);
    EXPECT_EQ(proxy->clients[0].heard_ms, 80'000);
    EXPECT_EQ(proxy->clients[0].age_ms, 90'000);
    EXPECT_TRUE(proxy->clients[0].keepalive_on);
    EXPECT_TRUE(proxy->clients[0].keepalive_unanswered);
    EXPECT_EQ(proxy->clients[0].upstream, 2U);
    EXPECT_EQ(proxy->clients[0].accepted, 1U);
    EXPECT_EQ(proxy->clients[0].inode, 0U);
    EXPECT_EQ(proxy->clients[1].upstream, 0U);
    EXPECT_FALSE(proxy->clients[1].keepalive_unanswered);
}

TEST(RecogniseProxy, HostileNumbers) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    Process process("\x1b[31m\xff");
    process.accept({most, most, 0xffffffff, 0xffffffff});
    process.accept({1, 1, 0, 0});
    process.connect({most, most, 0, 0});
    EXPECT_EQ(process.describe(), "none");
    process.accepted.back().info.reset();
    process.accepted.front().tuple.local = end("[2001:db8::1]:1");  // on none of its doors
    EXPECT_EQ(process.describe(), "none");
}

TEST(RecogniseProxy, Names) {
    EXPECT_EQ(proxy_program("haproxy"), ProxyProgram::one_to_one);
    EXPECT_EQ(proxy_program("nutcracker"), ProxyProgram::pooled);
    EXPECT_EQ(proxy_program("envoy"), ProxyProgram::either);
    EXPECT_EQ(proxy_program("systemd-socket-"), ProxyProgram::one_to_one);
    for (const char* name : {"", "nginx", "haproxy2", "python3", "redis-server"})
        EXPECT_EQ(proxy_program(name), ProxyProgram::no) << name;
}

}  // namespace
}  // namespace connleak

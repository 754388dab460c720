// What a conversation makes of servers that answer, refuse or restrict, played by a fake one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <fstream>

#include "tests/unit/probes/redis_describe.h"

namespace connleak::probes {
namespace {

TEST(RedisConversation, AsksEverythingAndLeavesItsOwnRowOut) {
    const FakeServer server(healthy());
    RedisConversation conversation("server", {}, short_limits());
    const ServerAnswer answer = conversation.ask(server.endpoint(), open_stream);
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_TRUE(answer.asked);
    EXPECT_EQ(answer.version, "7.0.15");
    EXPECT_EQ(answer.run_id, "0123456789abcdef");
    EXPECT_EQ(answer.process_id, 77);
    EXPECT_EQ(answer.connected_clients, 2U);
    EXPECT_EQ(answer.listed_clients, 2U);
    EXPECT_EQ(answer.blocked_clients, 1U);
    EXPECT_EQ(answer.maxclients, 100U);
    EXPECT_EQ(answer.rejected_connections, 2U);
    EXPECT_EQ(answer.total_connections_received, 9U);
    EXPECT_EQ(answer.tcp_keepalive_s, 300U);
    EXPECT_EQ(answer.timeout_s, 0U);
    EXPECT_TRUE(answer.clients_complete);
    ASSERT_EQ(answer.clients.size(), 1U);
    EXPECT_EQ(answer.clients[0].name, "worker");
    EXPECT_EQ(answer.client_list_bytes, list_text.size());
    EXPECT_GT(answer.client_list_ms, 0);
    EXPECT_GE(answer.asking_ms, answer.client_list_ms);
    EXPECT_EQ(answer.own_id, 7U);
    EXPECT_EQ(answer.own_address_seen, Endpoint::parse("10.0.0.8:50001"));
    EXPECT_EQ(answer.own_local_seen, Endpoint::parse("10.0.0.1:6379"));
    ASSERT_TRUE(answer.own_connection);
    EXPECT_EQ(answer.own_connection->remote, server.endpoint());
    EXPECT_TRUE(answer.own_connection->local.address.is_loopback());

    const auto again = conversation.clients_again();
    ASSERT_TRUE(again);
    ASSERT_EQ(again->size(), 1U);
    EXPECT_EQ((*again)[0].id, 4U);
    EXPECT_EQ(conversation.run_id_again(), "0123456789abcdef");
    const std::vector<std::string> commands = {"INFO",
                                               "CONFIG GET tcp-keepalive",
                                               "CONFIG GET timeout",
                                               "CLIENT ID",
                                               "CLIENT LIST",
                                               "CLIENT LIST",
                                               "INFO server"};
    EXPECT_EQ(server.commands(), commands);
}

TEST(RedisConversation, FindsItsOwnRowWithoutClientId) {
    // As 4.0 answers; the address is not ours, as behind a translation.
    const FakeServer server(
        healthy({{"CLIENT ID", "-ERR Syntax error, try CLIENT (LIST | KILL)\r\n"}}));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_EQ(answer.own_id, 7U);
    EXPECT_EQ(answer.own_address_seen, Endpoint::parse("10.0.0.8:50001"));
    EXPECT_EQ(answer.clients.size(), 1U);
}

TEST(RedisConversation, AsksForMaxclientsWhereInfoDoesNotTell) {
    const FakeServer server(healthy({{"INFO", bulk("redis_version:2.8.24\r\n")}}));
    EXPECT_EQ(ask(server.endpoint()).answer.maxclients, 10000U);
}

TEST(RedisConversation, TellsARefusalAtTheLimit) {
    // Said at once, and closed before the question arrives.
    const FakeServer server(
        [](FakePeer& peer) { peer.send("-ERR max number of clients reached\r\n"); });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_TRUE(answer.refused_at_limit);
    EXPECT_EQ(describe(answer),
              "not reachable\nerror: ERR max number of clients reached\n"
              "gap: ERR max number of clients reached: " +
                  everything + "\n");
}

TEST(RedisConversation, TellsOnceThatALoginIsNeeded) {
    const FakeServer server([](FakePeer& peer) {
        while (!peer.read_command().empty()) peer.send("-NOAUTH Authentication required.\r\n");
    });
    EXPECT_EQ(
        describe(ask(server.endpoint()).answer),
        "reachable\nerror: NOAUTH Authentication required.\ngap: NOAUTH: " + everything + "\n");
}

TEST(RedisConversation, TellsAWrongLoginOnce) {
    for (const std::string refusal :
         {"WRONGPASS invalid username-password pair or user is disabled.",
          "ERR invalid password"}) {
        const FakeServer server([&](FakePeer& peer) {
            for (std::string command; !(command = peer.read_command()).empty();)
                peer.send(command.starts_with("AUTH") ? "-" + refusal + "\r\n"
                                                      : "-NOAUTH Authentication required.\r\n");
        });
        const std::string word = refusal.starts_with("WRONGPASS") ? "WRONGPASS" : refusal;
        const std::string text = describe(ask(server.endpoint(), login("", "s3cret")).answer);
        EXPECT_EQ(text,
                  "reachable\nerror: " + refusal + "\ngap: " + word + ": " + everything + "\n");
    }
}

TEST(RedisConversation, GoesOnWithoutALoginWhereNoneIsSet) {
    for (const std::string refusal : {"-ERR Client sent AUTH, but no password is set\r\n",
                                      "-ERR AUTH <password> called without any password configured "
                                      "for the default user. Are you "
                                      "sure your configuration is correct?\r\n"}) {
        const FakeServer server(healthy({{"AUTH s3cret", refusal}}));
        EXPECT_EQ(describe(ask(server.endpoint(), login("", "s3cret")).answer), "reachable\n");
    }
}

TEST(RedisConversation, TellsARefusedLoginThatWasNotNeeded) {
    const FakeServer server(healthy({{"AUTH ann s3cret", "-WRONGPASS invalid\r\n"}}));
    EXPECT_EQ(describe(ask(server.endpoint(), login("ann", "s3cret")).answer),
              "reachable\nerror: WRONGPASS invalid\n"
              "gap: WRONGPASS: what only this login may see: the server was asked without it\n");
}

TEST(RedisConversation, NeverRepeatsThePassword) {
    // A renamed AUTH is repeated with its arguments; echo and HTTP servers repeat what they like.
    const Credentials credentials = login("", "s3cret");
    const FakeServer renamed(healthy({}));
    const std::string text = describe(ask(renamed.endpoint(), credentials).answer);
    EXPECT_EQ(text,
              "reachable\nerror: ERR unknown command 'AUTH'\ngap: ERR unknown command 'AUTH': "
              "what only this login may see: the server was asked without it\n");
    for (const std::string answer : {"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n", "AUTH s3cret?\r\n",
                                     "HTTP/1.1 400 s3cret\r\n", "-ERR s3cret\r\n", "+s3cret"}) {
        const FakeServer server([&](FakePeer& peer) {
            peer.read_command();
            peer.send(answer);
        });
        EXPECT_EQ(describe(ask(server.endpoint(), credentials).answer).find("s3cret"),
                  std::string::npos)
            << answer;
    }
}

TEST(RedisConversation, GoesOnWithWhatIsAllowed) {
    const FakeServer server(healthy({
        {"CONFIG GET tcp-keepalive",
         "-NOPERM this user has no permissions to run 'config|get'\r\n"},
        {"CLIENT ID", "-NOPERM no\r\n"},
    }));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer),
              "reachable\nerror: NOPERM this user has no permissions to run 'config|get'\n"
              "gap: NOPERM: the server's tcp-keepalive and timeout settings\n");
    EXPECT_EQ(answer.clients.size(), 1U);

    const FakeServer renamed(Answers{{"CLIENT LIST", bulk(list_text)}});
    const ServerAnswer list_only = ask(renamed.endpoint()).answer;
    EXPECT_EQ(
        describe(list_only),
        "reachable\nerror: ERR unknown command 'INFO'\n"
        "gap: ERR unknown command 'INFO': the server's version, client counts and limits\n"
        "gap: ERR unknown command 'CONFIG': the server's tcp-keepalive and timeout settings\n");
    EXPECT_EQ(list_only.clients.size(), 1U);

    const FakeServer no_list(healthy({{"CLIENT LIST", "-NOPERM no\r\n"}}));
    const ServerAnswer without = ask(no_list.endpoint()).answer;
    EXPECT_EQ(describe(without),
              "reachable\nerror: NOPERM no\ngap: NOPERM: the server's own list of its clients\n");
    EXPECT_FALSE(without.clients_complete);
}

TEST(RedisConversation, TellsServersThatAreBusyWithThemselves) {
    for (const std::string word : {"LOADING", "BUSY", "MASTERDOWN"}) {
        const FakeServer server(healthy({{"INFO", "-" + word + " wait\r\n"}}));
        EXPECT_EQ(describe(ask(server.endpoint()).answer),
                  "reachable\nerror: " + word + " wait\ngap: " + word +
                      ": the server's version, client counts and limits\n");
    }
}

TEST(RedisConversation, TellsProtectedMode) {
    const FakeServer server([](FakePeer& peer) {
        peer.send("-DENIED Redis is running in protected mode because " + std::string(900, 'x') +
                  ".\r\n");
    });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_FALSE(answer.reachable);
    EXPECT_EQ(answer.error.size(), 200U);
    ASSERT_EQ(answer.gaps.size(), 1U);
    EXPECT_EQ(answer.gaps[0].error, "DENIED");
}

TEST(RedisConversation, LeavesNoTimeWaitAndNoDescriptor) {
    const FakeServer server(healthy());
    std::optional<Tuple> own;
    int descriptor = -1;
    {
        RedisConversation conversation("server", {}, short_limits());
        own = conversation
                  .ask(server.endpoint(),
                       [&](int family) { return descriptor = open_stream(family); })
                  .own_connection;
        EXPECT_TRUE(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
        linger set{};
        socklen_t size = sizeof set;
        ASSERT_EQ(getsockopt(descriptor, SOL_SOCKET, SO_LINGER, &set, &size), 0);
        EXPECT_EQ(set.l_onoff, 1);
        EXPECT_EQ(set.l_linger, 0);
    }
    EXPECT_EQ(fcntl(descriptor, F_GETFD), -1);
    ASSERT_TRUE(own);
    char port[8];
    snprintf(port, sizeof port, ":%04X", own->local.port);
    std::ifstream sockets("/proc/net/tcp");
    for (std::string line; std::getline(sockets, line);)
        EXPECT_EQ(line.find(std::string("0100007F") + port + " "), std::string::npos) << line;
}

// INFO and CLIENT LIST are of two moments. `later`: what INFO tells after the list.
std::string counted(const std::string& first, const std::string& later) {
    int asked = 0;
    const FakeServer server([&](FakePeer& peer) {
        Answers answers = healthy();
        for (;;) {
            const std::string command = peer.read_command();
            if (command.empty()) return;
            if (command == "INFO")
                peer.send(bulk("redis_version:7.0.15\r\n" + (asked++ == 0 ? first : later)));
            else
                peer.send(answers.contains(command) ? answers[command]
                                                    : "-ERR unknown command\r\n");
        }
    });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(answer.listed_clients, 2U);
    EXPECT_EQ(answer.counts_disagree, !answer.gaps.empty());
    return describe(answer);
}

TEST(RedisConversation, HoldsTheCountOfClientsAgainstTheList) {
    const auto clients = [](int now, int received) {
        return "connected_clients:" + std::to_string(now) +
               "\r\ntotal_connections_received:" + std::to_string(received) + "\r\n";
    };
    EXPECT_EQ(counted(clients(2, 9), clients(99, 99)), "reachable\n") << "not asked again";
    EXPECT_EQ(counted(clients(5, 9), clients(2, 9)), "reachable\n") << "three have gone";
    EXPECT_EQ(counted(clients(5, 9), clients(5, 12)), "reachable\n") << "three went, three came";
    EXPECT_EQ(counted(clients(1, 9), clients(3, 11)), "reachable\n") << "they come";
    EXPECT_EQ(counted(clients(982, 6000), clients(983, 6001)),
              "reachable\ngap: connected_clients is 983, CLIENT LIST has 2: how many clients the "
              "server has: it tells two numbers, and its list is taken\n");
    EXPECT_EQ(counted("connected_clients:1\r\n", "connected_clients:1\r\n"),
              "reachable\ngap: connected_clients is 1, CLIENT LIST has 2: how many clients the "
              "server has: it tells two numbers, and its list is taken\n");
    EXPECT_EQ(counted("", ""), "reachable\n") << "a server that does not count";
}

TEST(RedisConversation, ReplicasAreListedAndNotCounted) {
    const FakeServer server(healthy(
        {{"INFO", bulk("redis_version:7.0.15\r\nconnected_clients:1\r\nconnected_slaves:1\r\n")},
         {"CLIENT LIST",
          bulk(
              "id=4 addr=10.0.0.9:50000 laddr=10.0.0.1:6379 fd=8 name= age=9 idle=0 flags=S\n"
              "id=7 addr=10.0.0.8:50001 laddr=10.0.0.1:6379 fd=9 name= age=0 idle=0 flags=N\n")}}));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_EQ(answer.listed_clients, 1U);
    EXPECT_EQ(answer.topology.connected_replicas, 1U);
}

TEST(RedisConversation, ASentinelIsAskedForNoSettings) {
    const FakeServer server(
        healthy({{"INFO", bulk("redis_version:7.0.15\r\nredis_mode:sentinel\r\n")}}));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer), "reachable\n");
    EXPECT_EQ(answer.topology.mode, ServerMode::sentinel);
    const std::vector<std::string> commands = {"INFO", "CLIENT ID", "CLIENT LIST"};
    EXPECT_EQ(server.commands(), commands);
}

TEST(RedisConversation, AClusterTellsItsPort) {
    const auto port_told = [](const std::string& answer_text) {
        const FakeServer server(
            healthy({{"INFO", bulk("redis_version:7.0.15\r\nredis_mode:cluster\r\n")},
                     {"CONFIG GET cluster-port", answer_text}}));
        return ask(server.endpoint()).answer.topology.cluster_port;
    };
    EXPECT_EQ(port_told("*2\r\n" + bulk("cluster-port") + bulk("7777")), 7777);
    EXPECT_EQ(port_told("*2\r\n" + bulk("cluster-port") + bulk("0")), std::nullopt);
    EXPECT_EQ(port_told("*2\r\n" + bulk("cluster-port") + bulk("77777")), std::nullopt);
    EXPECT_EQ(port_told("*0\r\n"), std::nullopt) << "before 7.0";
}

// A server that wants TLS closes when it is spoken to in plain text, and answers a handshake.
TEST(RedisConversation, NamesAServerThatSpeaksTls) {
    std::atomic<int> connections = 0;
    const FakeServer server([&](FakePeer& peer) {
        if (++connections == 1) {
            peer.read_command();
            return;
        }
        peer.send(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
        peer.hold();
    });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(answer.tls, true);
    EXPECT_FALSE(answer.reachable);
    EXPECT_TRUE(answer.error.starts_with("the server speaks TLS on this port")) << answer.error;
    EXPECT_EQ(connections, 2);
    const FakeServer closing([&](FakePeer& peer) { peer.read_command(); });
    const ServerAnswer other = ask(closing.endpoint()).answer;
    EXPECT_EQ(other.tls, std::nullopt);
    EXPECT_EQ(other.error, "the server closed the connection without an answer");
}

}  // namespace
}  // namespace connleak::probes

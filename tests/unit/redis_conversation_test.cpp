// What a conversation makes of servers that refuse, hang, break off or are none, played by a fake
// one.
#include "probes/redis.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>
#include <fstream>

#include "tests/unit/fake_server.h"

namespace connleak::probes {
namespace {

using namespace std::chrono_literals;
using test::bulk;
using test::FakePeer;
using test::FakeServer;
using Answers = std::map<std::string, std::string>;

const std::string everything = "all that the server itself knows: its client list and its settings";
const std::string info_text =
    "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef\r\nprocess_id:77\r\n"
    "uptime_in_seconds:5\r\n# "
    "Clients\r\nconnected_clients:3\r\nmaxclients:100\r\nblocked_clients:1\r\n"
    "# Stats\r\ntotal_connections_received:9\r\nrejected_connections:2\r\n";
const std::string list_text =
    "id=4 addr=10.0.0.9:50000 laddr=10.0.0.1:6379 fd=8 name=worker age=9 idle=7 flags=N cmd=get\n"
    "id=7 addr=10.0.0.8:50001 laddr=10.0.0.1:6379 fd=9 name= age=0 idle=0 flags=N "
    "cmd=client|list\n";

int open_tcp(int family) {
    return socket(family, SOCK_STREAM, 0);
}

// A healthy server, with some answers replaced.
Answers healthy(const Answers& instead = {}) {
    Answers answers = {
        {"INFO", bulk(info_text)},
        {"INFO server", bulk(info_text)},
        {"CONFIG GET tcp-keepalive", "*2\r\n" + bulk("tcp-keepalive") + bulk("300")},
        {"CONFIG GET timeout", "*2\r\n" + bulk("timeout") + bulk("0")},
        {"CONFIG GET maxclients", "*2\r\n" + bulk("maxclients") + bulk("10000")},
        {"CLIENT ID", ":7\r\n"},
        {"CLIENT LIST", bulk(list_text)},
    };
    for (const auto& [command, answer] : instead) answers[command] = answer;
    return answers;
}

RedisLimits short_limits() {
    return {200ms, 1000ms, 1U << 20U};
}

struct Outcome {
    ServerAnswer answer;
    std::chrono::steady_clock::duration took;
};

Outcome ask(const Endpoint& endpoint, const Credentials& credentials = {},
            RedisLimits limits = short_limits()) {
    const auto start = std::chrono::steady_clock::now();
    RedisConversation conversation("server", credentials, limits);
    ServerAnswer answer = conversation.ask(endpoint, open_tcp);
    return {std::move(answer), std::chrono::steady_clock::now() - start};
}

// What a person would be told of it.
std::string told(const ServerAnswer& answer) {
    std::string text = answer.reachable ? "reachable\n" : "not reachable\n";
    if (!answer.error.empty()) text += "error: " + answer.error + "\n";
    for (const Gap& gap : answer.gaps) {
        EXPECT_EQ(gap.source, "redis");
        EXPECT_EQ(gap.scope, "server");
        text += "gap: " + gap.error + ": " + gap.effect + "\n";
    }
    return text;
}

std::string told(const std::string& raw_answer) {
    const FakeServer server([&](FakePeer& peer) {
        peer.read_command();
        peer.send(raw_answer);
        peer.hold();
    });
    const Outcome outcome = ask(server.endpoint());
    EXPECT_LT(outcome.took, 1s);
    return told(outcome.answer);
}

TEST(RedisConversation, AsksEverythingAndLeavesItsOwnRowOut) {
    const FakeServer server(healthy());
    RedisConversation conversation("server", {}, short_limits());
    const ServerAnswer answer = conversation.ask(server.endpoint(), open_tcp);
    EXPECT_EQ(told(answer), "reachable\n");
    EXPECT_TRUE(answer.asked);
    EXPECT_EQ(answer.version, "7.0.15");
    EXPECT_EQ(answer.run_id, "0123456789abcdef");
    EXPECT_EQ(answer.process_id, 77);
    EXPECT_EQ(answer.connected_clients, 3U);
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
    EXPECT_EQ(told(answer), "reachable\n");
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
    EXPECT_EQ(told(answer),
              "not reachable\nerror: ERR max number of clients reached\n"
              "gap: ERR max number of clients reached: " +
                  everything + "\n");
}

TEST(RedisConversation, TellsOnceThatALoginIsNeeded) {
    const FakeServer server([](FakePeer& peer) {
        while (!peer.read_command().empty()) peer.send("-NOAUTH Authentication required.\r\n");
    });
    EXPECT_EQ(
        told(ask(server.endpoint()).answer),
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
        const std::string text = told(ask(server.endpoint(), {"", "s3cret"}).answer);
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
        EXPECT_EQ(told(ask(server.endpoint(), {"", "s3cret"}).answer), "reachable\n");
    }
}

TEST(RedisConversation, TellsARefusedLoginThatWasNotNeeded) {
    const FakeServer server(healthy({{"AUTH ann s3cret", "-WRONGPASS invalid\r\n"}}));
    EXPECT_EQ(told(ask(server.endpoint(), {"ann", "s3cret"}).answer),
              "reachable\nerror: WRONGPASS invalid\n"
              "gap: WRONGPASS: what only this login may see: the server was asked without it\n");
}

TEST(RedisConversation, NeverRepeatsThePassword) {
    // A renamed AUTH is repeated with its arguments; echo and HTTP servers repeat what they like.
    const Credentials credentials{"", "s3cret"};
    const FakeServer renamed(healthy({}));
    const std::string text = told(ask(renamed.endpoint(), credentials).answer);
    EXPECT_EQ(text,
              "reachable\nerror: ERR unknown command 'AUTH'\ngap: ERR unknown command 'AUTH': "
              "what only this login may see: the server was asked without it\n");
    for (const std::string answer : {"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n", "AUTH s3cret?\r\n",
                                     "HTTP/1.1 400 s3cret\r\n", "-ERR s3cret\r\n", "+s3cret"}) {
        const FakeServer server([&](FakePeer& peer) {
            peer.read_command();
            peer.send(answer);
        });
        EXPECT_EQ(told(ask(server.endpoint(), credentials).answer).find("s3cret"),
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
    EXPECT_EQ(told(answer),
              "reachable\nerror: NOPERM this user has no permissions to run 'config|get'\n"
              "gap: NOPERM: the server's tcp-keepalive and timeout settings\n");
    EXPECT_EQ(answer.clients.size(), 1U);

    const FakeServer renamed(Answers{{"CLIENT LIST", bulk(list_text)}});
    const ServerAnswer list_only = ask(renamed.endpoint()).answer;
    EXPECT_EQ(
        told(list_only),
        "reachable\nerror: ERR unknown command 'INFO'\n"
        "gap: ERR unknown command 'INFO': the server's version, client counts and limits\n"
        "gap: ERR unknown command 'CONFIG': the server's tcp-keepalive and timeout settings\n");
    EXPECT_EQ(list_only.clients.size(), 1U);

    const FakeServer no_list(healthy({{"CLIENT LIST", "-NOPERM no\r\n"}}));
    const ServerAnswer without = ask(no_list.endpoint()).answer;
    EXPECT_EQ(told(without),
              "reachable\nerror: NOPERM no\ngap: NOPERM: the server's own list of its clients\n");
    EXPECT_FALSE(without.clients_complete);
}

TEST(RedisConversation, TellsServersThatAreBusyWithThemselves) {
    for (const std::string word : {"LOADING", "BUSY", "MASTERDOWN"}) {
        const FakeServer server(healthy({{"INFO", "-" + word + " wait\r\n"}}));
        EXPECT_EQ(told(ask(server.endpoint()).answer),
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

TEST(RedisConversation, TellsWhoIsNoRedisServer) {
    const auto none = [](const std::string& quoted) {
        return "not reachable\nerror: this is not a Redis server" + quoted +
               "\ngap: protocol error: " + everything + "\n";
    };
    EXPECT_EQ(told("HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
              none(": HTTP/1.1 400 Bad Request"));
    EXPECT_EQ(told("SSH-2.0-OpenSSH_9.2\r\n"), none(": SSH-2.0-OpenSSH_9.2"));
    EXPECT_EQ(told("\x1b[31m\xff\x80\x07" + std::string(300, 'y')),
              none(": [31m" + std::string(56, 'y')));
    EXPECT_EQ(told(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)), none(": it speaks TLS"));
    EXPECT_EQ(told("*1\r\n$4\r\nINFO\r\n"), none(""));
    EXPECT_EQ(told("*2147483647\r\n"), none(": *2147483647"));
    EXPECT_EQ(told("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), none(": *1"));
    EXPECT_EQ(told("*9\r\n*512\r\n*512\r\n"), none(": *9"));
}

TEST(RedisConversation, EndsWhereTheServerDoesNot) {
    const std::string unended =
        "not reachable\nerror: an answer began and did not end within 200 ms\ngap: ETIMEDOUT: " +
        everything + "\n";
    EXPECT_EQ(told(""), "not reachable\nerror: no answer within 200 ms\ngap: ETIMEDOUT: " +
                            everything + "\n");
    EXPECT_EQ(told("$536870912\r\nx"), unended);
    EXPECT_EQ(told("+never an end"), unended);
    EXPECT_EQ(told("*2\r\n:1\r\n"), unended);
}

TEST(RedisConversation, TellsABrokenAnswer) {
    for (const std::string part : {"$100\r\nabc", "*2\r\n$3\r\nabc\r\n", "-NOAU"}) {
        const FakeServer server([&](FakePeer& peer) {
            peer.read_command();
            peer.send(part);
        });
        EXPECT_EQ(told(ask(server.endpoint()).answer),
                  "not reachable\nerror: the server closed the connection within an answer\n"
                  "gap: connection closed: " +
                      everything + "\n");
    }
    const FakeServer silent([](FakePeer& peer) { peer.read_command(); });
    EXPECT_EQ(told(ask(silent.endpoint()).answer),
              "not reachable\nerror: the server closed the connection without an answer\n"
              "gap: connection closed: " +
                  everything + "\n");
}

TEST(RedisConversation, KeepsWhatWasSaidBeforeItBrokeOff) {
    const FakeServer server([](FakePeer& peer) {
        peer.read_command();
        peer.send(bulk(info_text));
        peer.read_command();
    });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(told(answer),
              "reachable\nerror: the server closed the connection without an answer\n"
              "gap: connection closed: the server's tcp-keepalive and timeout settings, and the "
              "server's own list of its clients\n");
    EXPECT_EQ(answer.connected_clients, 3U);
}

// Sends `answer` a byte at a time.
void trickle(FakePeer& peer, const std::string& answer, std::chrono::milliseconds pause) {
    for (const char letter : answer)
        if (!peer.send({&letter, 1}) || !peer.wait(pause)) return;
}

TEST(RedisConversation, EndsATrickleByTheStep) {
    const FakeServer server([](FakePeer& peer) {
        peer.read_command();
        trickle(peer, bulk(std::string(10000, 'x')), 20ms);
    });
    const Outcome outcome = ask(server.endpoint());
    EXPECT_EQ(
        told(outcome.answer),
        "not reachable\nerror: an answer began and did not end within 200 ms\ngap: ETIMEDOUT: " +
            everything + "\n");
    EXPECT_LT(outcome.took, 1s);
}

TEST(RedisConversation, EndsATrickleByTheTotal) {
    // Each answer is within its step, all together are not.
    const FakeServer server([](FakePeer& peer) {
        const Answers answers = healthy({{"INFO", bulk("a:b")}});
        for (std::string command; !(command = peer.read_command()).empty();) {
            if (!peer.wait(150ms)) return;
            peer.send(answers.at(command));
        }
    });
    const Outcome outcome = ask(server.endpoint(), {}, {300ms, 400ms, 1U << 20U});
    EXPECT_LT(outcome.took, 1s);
    EXPECT_EQ(outcome.answer.gaps.size(), 1U);
    EXPECT_EQ(outcome.answer.gaps[0].error, "ETIMEDOUT");
    EXPECT_TRUE(outcome.answer.reachable);
}

TEST(RedisConversation, BoundsTheClientList) {
    const std::string too_long = bulk(std::string(200'000, 'x'));
    const FakeServer server(healthy({{"CLIENT LIST", too_long}}));
    const ServerAnswer answer = ask(server.endpoint(), {}, {1s, 3s, 100'000}).answer;
    EXPECT_EQ(
        told(answer),
        "reachable\nerror: the answer is larger than 100000 bytes\n"
        "gap: the answer is larger than 100000 bytes: the server's own list of its clients\n");
    EXPECT_FALSE(answer.clients_complete);

    const FakeServer crowded(
        healthy({{"INFO", bulk("connected_clients:20000\r\nmaxclients:9\r\n")}}));
    EXPECT_EQ(
        told(ask(crowded.endpoint(), {}, {1s, 3s, 100'000}).answer),
        "reachable\nerror: a list of 20000 clients would be larger than 100000 bytes\n"
        "gap: a list of 20000 clients would be larger than 100000 bytes: the server's own list "
        "of its clients\n");
}

TEST(RedisConversation, TellsAListThatIsNone) {
    const FakeServer server(healthy({{"CLIENT LIST", bulk(list_text + "what?\n")}}));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(told(answer),
              "reachable\nerror: CLIENT LIST has lines that are no client's\n"
              "gap: protocol error: 1 lines of the server's client list\n");
    EXPECT_FALSE(answer.clients_complete);
    EXPECT_EQ(answer.clients.size(), 1U);
    const FakeServer other(healthy({{"CLIENT LIST", ":5\r\n"}}));
    EXPECT_FALSE(ask(other.endpoint()).answer.clients_complete);
}

TEST(RedisConversation, TellsWhyItCouldNotConnect) {
    Endpoint gone;
    {
        const FakeServer server(Answers{});
        gone = server.endpoint();
    }
    EXPECT_EQ(told(ask(gone).answer),
              "not reachable\nerror: Connection refused\ngap: ECONNREFUSED: " + everything + "\n");

    RedisConversation conversation("server", {}, short_limits());
    EXPECT_FALSE(conversation.clients_again());
    EXPECT_EQ(conversation.run_id_again(), "");
    const ServerAnswer denied = conversation.ask(gone, [](int) {
        errno = EACCES;
        return -1;
    });
    EXPECT_EQ(told(denied),
              "not reachable\nerror: Permission denied\ngap: EACCES: " + everything + "\n");
    const auto open_unix = [](int family) { return socket(family, SOCK_STREAM, 0); };
    EXPECT_EQ(conversation.ask_unix("/nonexistent/redis.sock", open_unix).gaps.at(0).error,
              "ENOENT");
    EXPECT_EQ(conversation.ask_unix("/" + std::string(200, 'x'), open_unix).gaps.at(0).error,
              "ENAMETOOLONG");
}

TEST(RedisConversation, SurvivesAPeerThatHasGone) {
    // A write to it would raise SIGPIPE, whose default ends the process.
    ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
    const FakeServer server([](FakePeer& peer) {
        const Answers answers = healthy();
        for (int i = 0; i < 5; ++i) peer.send(answers.at(peer.read_command()));
    });
    RedisConversation conversation("server", {}, short_limits());
    EXPECT_EQ(told(conversation.ask(server.endpoint(), open_tcp)), "reachable\n");
    EXPECT_FALSE(conversation.clients_again());
    EXPECT_FALSE(conversation.clients_again());
}

TEST(RedisConversation, LeavesNoTimeWaitAndNoDescriptor) {
    const FakeServer server(healthy());
    std::optional<Tuple> own;
    int descriptor = -1;
    {
        RedisConversation conversation("server", {}, short_limits());
        own = conversation
                  .ask(server.endpoint(), [&](int family) { return descriptor = open_tcp(family); })
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

}  // namespace
}  // namespace connleak::probes

// What a conversation makes of servers that hang, break off, flood or are none, played by a fake
// one.
#include <gtest/gtest.h>

#include <csignal>

#include "probes/redis/errors.h"
#include "tests/unit/probes/redis_describe.h"

namespace connleak::probes {
namespace {

// What is told of a server that gives this answer and falls silent.
std::string told_of(const std::string& raw_answer) {
    const FakeServer server([&](FakePeer& peer) {
        peer.read_command();
        peer.send(raw_answer);
        peer.hold();
    });
    const Outcome outcome = ask(server.endpoint());
    EXPECT_LT(outcome.took, 1s);
    return describe(outcome.answer);
}

TEST(RedisHostile, TellsWhoIsNoRedisServer) {
    const auto none = [](const std::string& quoted) {
        return "not reachable\nerror: this is not a Redis server" + quoted +
               "\ngap: protocol error: " + everything + "\n";
    };
    EXPECT_EQ(told_of("HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
              none(": HTTP/1.1 400 Bad Request"));
    EXPECT_EQ(told_of("SSH-2.0-OpenSSH_9.2\r\n"), none(": SSH-2.0-OpenSSH_9.2"));
    EXPECT_EQ(told_of("\x1b[31m\xff\x80\x07" + std::string(300, 'y')),
              none(": [31m" + std::string(56, 'y')));
    EXPECT_EQ(told_of(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)),
              "not reachable\nerror: " + speaks_tls().message + "\ngap: TLS: " + everything + "\n");
    EXPECT_EQ(told_of("*1\r\n$4\r\nINFO\r\n"), none(""));
    EXPECT_EQ(told_of("*2147483647\r\n"), none(": *2147483647"));
    EXPECT_EQ(told_of("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), none(": *1"));
    EXPECT_EQ(told_of("*9\r\n*512\r\n*512\r\n"), none(": *9"));
}

TEST(RedisHostile, EndsWhereTheServerDoesNot) {
    const std::string unended =
        "not reachable\nerror: an answer began and did not end within 200 ms\ngap: ETIMEDOUT: " +
        everything + "\n";
    EXPECT_EQ(told_of(""), "not reachable\nerror: no answer within 200 ms\ngap: ETIMEDOUT: " +
                               everything + "\n");
    EXPECT_EQ(told_of("$536870912\r\nx"), unended);
    EXPECT_EQ(told_of("+never an end"), unended);
    EXPECT_EQ(told_of("*2\r\n:1\r\n"), unended);
}

TEST(RedisHostile, TellsABrokenAnswer) {
    for (const std::string part : {"$100\r\nabc", "*2\r\n$3\r\nabc\r\n", "-NOAU"}) {
        const FakeServer server([&](FakePeer& peer) {
            peer.read_command();
            peer.send(part);
        });
        EXPECT_EQ(describe(ask(server.endpoint()).answer),
                  "not reachable\nerror: the server closed the connection within an answer\n"
                  "gap: connection closed: " +
                      everything + "\n");
    }
    const FakeServer silent([](FakePeer& peer) { peer.read_command(); });
    EXPECT_EQ(describe(ask(silent.endpoint()).answer),
              "not reachable\nerror: the server closed the connection without an answer\n"
              "gap: connection closed: " +
                  everything + "\n");
}

TEST(RedisHostile, KeepsWhatWasSaidBeforeItBrokeOff) {
    const FakeServer server([](FakePeer& peer) {
        peer.read_command();
        peer.send(bulk(info_text));
        peer.read_command();
    });
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer),
              "reachable\nerror: the server closed the connection without an answer\n"
              "gap: connection closed: the server's tcp-keepalive and timeout settings, and the "
              "server's own list of its clients\n");
    EXPECT_EQ(answer.connected_clients, 2U);
}

// Sends `answer` a byte at a time.
void trickle(FakePeer& peer, const std::string& answer, std::chrono::milliseconds pause) {
    for (const char letter : answer)
        if (!peer.send({&letter, 1}) || !peer.wait(pause)) return;
}

TEST(RedisHostile, EndsATrickleByTheStep) {
    const FakeServer server([](FakePeer& peer) {
        peer.read_command();
        trickle(peer, bulk(std::string(10000, 'x')), 20ms);
    });
    const Outcome outcome = ask(server.endpoint());
    EXPECT_EQ(
        describe(outcome.answer),
        "not reachable\nerror: an answer began and did not end within 200 ms\ngap: ETIMEDOUT: " +
            everything + "\n");
    EXPECT_LT(outcome.took, 1s);
}

TEST(RedisHostile, EndsATrickleByTheTotal) {
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

TEST(RedisHostile, BoundsTheClientList) {
    const std::string too_long = bulk(std::string(200'000, 'x'));
    const FakeServer server(healthy({{"CLIENT LIST", too_long}}));
    const ServerAnswer answer = ask(server.endpoint(), {}, {1s, 3s, 100'000}).answer;
    EXPECT_EQ(
        describe(answer),
        "reachable\nerror: the answer is larger than 100000 bytes\n"
        "gap: the answer is larger than 100000 bytes: the server's own list of its clients\n");
    EXPECT_FALSE(answer.clients_complete);

    const FakeServer crowded(
        healthy({{"INFO", bulk("connected_clients:20000\r\nmaxclients:9\r\n")}}));
    EXPECT_EQ(
        describe(ask(crowded.endpoint(), {}, {1s, 3s, 100'000}).answer),
        "reachable\nerror: a list of 20000 clients would be larger than 100000 bytes\n"
        "gap: a list of 20000 clients would be larger than 100000 bytes: the server's own list "
        "of its clients\n");
}

TEST(RedisHostile, TellsAListThatIsNone) {
    const FakeServer server(healthy({{"CLIENT LIST", bulk(list_text + "what?\n")}}));
    const ServerAnswer answer = ask(server.endpoint()).answer;
    EXPECT_EQ(describe(answer),
              "reachable\nerror: CLIENT LIST has lines that are no client's\n"
              "gap: protocol error: 1 lines of the server's client list\n");
    EXPECT_FALSE(answer.clients_complete);
    EXPECT_EQ(answer.clients.size(), 1U);
    const FakeServer other(healthy({{"CLIENT LIST", ":5\r\n"}}));
    EXPECT_FALSE(ask(other.endpoint()).answer.clients_complete);
}

TEST(RedisHostile, TellsWhyItCouldNotConnect) {
    Endpoint gone;
    {
        const FakeServer server(Answers{});
        gone = server.endpoint();
    }
    EXPECT_EQ(describe(ask(gone).answer),
              "not reachable\nerror: Connection refused\ngap: ECONNREFUSED: " + everything + "\n");

    RedisConversation conversation("server", {}, short_limits());
    EXPECT_FALSE(conversation.clients_again());
    EXPECT_EQ(conversation.run_id_again(), "");
    const ServerAnswer denied = conversation.ask(gone, [](int) {
        errno = EACCES;
        return -1;
    });
    EXPECT_EQ(describe(denied),
              "not reachable\nerror: Permission denied\ngap: EACCES: " + everything + "\n");
    EXPECT_EQ(conversation.ask_unix("/nonexistent/redis.sock", open_stream).gaps.at(0).error,
              "ENOENT");
    EXPECT_EQ(conversation.ask_unix("/" + std::string(200, 'x'), open_stream).gaps.at(0).error,
              "ENAMETOOLONG");
}

TEST(RedisHostile, SurvivesAPeerThatHasGone) {
    // A write to it would raise SIGPIPE, whose default ends the process.
    ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
    const FakeServer server([](FakePeer& peer) {
        const Answers answers = healthy();
        for (int i = 0; i < 5; ++i) peer.send(answers.at(peer.read_command()));
    });
    RedisConversation conversation("server", {}, short_limits());
    EXPECT_EQ(describe(conversation.ask(server.endpoint(), open_stream)), "reachable\n");
    EXPECT_FALSE(conversation.clients_again());
    EXPECT_FALSE(conversation.clients_again());
}

}  // namespace
}  // namespace connleak::probes

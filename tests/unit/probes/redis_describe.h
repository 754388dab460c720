// What the tests of Redis conversations share: the answers of a healthy server, and the outcome as
// a person would be told of it.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "probes/redis/redis.h"
#include "tests/unit/probes/fake_server.h"

namespace connleak::probes {

using namespace std::chrono_literals;
using test::bulk;
using test::FakePeer;
using test::FakeServer;
using Answers = std::map<std::string, std::string>;

inline const std::string everything =
    "all that the server itself knows: its client list and its settings";
inline const std::string info_text =
    "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef\r\nprocess_id:77\r\n"
    "uptime_in_seconds:5\r\n# Clients\r\n"
    "connected_clients:2\r\nmaxclients:100\r\nblocked_clients:1\r\n"
    "# Stats\r\ntotal_connections_received:9\r\nrejected_connections:2\r\n";
inline const std::string list_text =
    "id=4 addr=10.0.0.9:50000 laddr=10.0.0.1:6379 fd=8 name=worker age=9 idle=7 flags=N cmd=get\n"
    "id=7 addr=10.0.0.8:50001 laddr=10.0.0.1:6379 fd=9 name= age=0 idle=0 flags=N "
    "cmd=client|list\n";

inline int open_stream(int family) {
    return socket(family, SOCK_STREAM, 0);
}

// A healthy server, with some answers replaced.
inline Answers healthy(const Answers& instead = {}) {
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

inline Credentials login(std::string user, std::string password) {
    Credentials made;
    made.user = std::move(user);
    made.password = std::move(password);
    return made;
}

inline Limits short_limits() {
    return {200ms, 1000ms, 1U << 20U};
}

struct Outcome {
    ServerAnswer answer;
    std::chrono::steady_clock::duration took;
};

inline Outcome ask(const Endpoint& endpoint, const Credentials& credentials = {},
                   Limits limits = short_limits()) {
    const auto start = std::chrono::steady_clock::now();
    RedisConversation conversation("server", credentials, limits);
    ServerAnswer answer = conversation.ask(endpoint, open_stream);
    return {std::move(answer), std::chrono::steady_clock::now() - start};
}

// What a person would be told of it.
inline std::string describe(const ServerAnswer& answer) {
    std::string text = answer.reachable ? "reachable\n" : "not reachable\n";
    if (!answer.error.empty()) text += "error: " + answer.error + "\n";
    for (const Gap& gap : answer.gaps) {
        EXPECT_EQ(gap.source, "redis");
        EXPECT_EQ(gap.scope, "server");
        text += "gap: " + gap.error + ": " + gap.effect + "\n";
    }
    return text;
}

}  // namespace connleak::probes

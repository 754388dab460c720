// What the verbs that act ask of a server and have it do, played by a fake one.
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/probes/redis_describe.h"

namespace connleak::probes {
namespace {

TEST(RedisActs, LooksAgainAtSomeAndKillsByTheirIds) {
    auto answers = healthy();
    answers["CLIENT LIST ID 4 5"] =
        bulk("id=4 addr=10.0.0.2:40001 fd=9\nid=6 addr=10.0.0.2:1 fd=1\n");
    answers["CLIENT KILL ID 4"] = ":1\r\n";
    answers["CLIENT KILL ID 5"] = ":0\r\n";
    answers["CLIENT KILL ID 6"] = "-NOPERM no permission \x1b for it\r\n";
    answers["CONFIG SET tcp-keepalive 300"] = "+OK\r\n";
    const FakeServer server(answers);
    RedisConversation conversation("server", {}, short_limits());
    EXPECT_FALSE(conversation.clients_by_id(std::vector<std::uint64_t>{4}));
    EXPECT_TRUE(conversation.kill_clients(std::vector<std::uint64_t>{4}).empty());
    EXPECT_NE(conversation.set_config("timeout", "1"), "");
    conversation.ask(server.endpoint(), open_stream);

    const auto rows = conversation.clients_by_id(std::vector<std::uint64_t>{4, 5});
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 1U) << "6 was not asked for";
    EXPECT_EQ(rows->front().id, 4U);
    const auto killed = conversation.kill_clients(std::vector<std::uint64_t>{4, 5, 6, 4});
    ASSERT_EQ(killed.size(), 4U);
    EXPECT_TRUE(killed[0].killed);
    EXPECT_FALSE(killed[1].killed);
    EXPECT_EQ(killed[1].refusal, "");
    EXPECT_FALSE(killed[2].killed);
    EXPECT_TRUE(killed[2].refusal.starts_with("NOPERM")) << killed[2].refusal;
    EXPECT_FALSE(killed[2].refusal.contains('\n'));
    EXPECT_TRUE(killed[3].killed);
    EXPECT_EQ(conversation.set_config("tcp-keepalive", "300"), "");
    EXPECT_NE(conversation.set_config("timeout", "1"), "");
    EXPECT_TRUE(conversation.clients_again()) << "the connection is still of use";
}

TEST(RedisActs, LooksAgainThroughTheWholeListOfAnOldServer) {
    const FakeServer server(healthy());  // CLIENT LIST ID is a syntax error there
    RedisConversation conversation("server", {}, short_limits());
    conversation.ask(server.endpoint(), open_stream);
    const auto rows = conversation.clients_by_id(std::vector<std::uint64_t>{4, 99});
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 1U);
    EXPECT_EQ(rows->front().id, 4U);
}

TEST(RedisActs, KillsAsFarAsTheConnectionLasts) {
    const FakeServer server([](FakePeer& peer) {
        auto answers = healthy();
        for (int kills = 0;;) {
            const std::string command = peer.read_command();
            if (command.empty()) return;
            if (command.starts_with("CLIENT KILL") && ++kills == 3) return;
            const auto found = answers.find(command);
            peer.send(found == answers.end() ? ":1\r\n" : found->second);
        }
    });
    RedisConversation conversation("server", {}, short_limits());
    conversation.ask(server.endpoint(), open_stream);
    EXPECT_EQ(conversation.kill_clients(std::vector<std::uint64_t>{1, 2, 3, 4}).size(), 2U);
    EXPECT_FALSE(conversation.clients_by_id(std::vector<std::uint64_t>{4}));
}

}  // namespace
}  // namespace connleak::probes

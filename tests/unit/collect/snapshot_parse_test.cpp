// Snapshots and connection tracking entries as bytes: read alike in one piece and in many, and
// never beyond what they may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "collect/snapshot/parse.h"
#include "netlink/network/conntrack_decode.h"

namespace connleak::cli {
namespace {

std::string seed(const std::string& name) {
    std::ifstream file(TEST_DATA "/fuzz/seeds/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::expected<collect::ParsedSnapshot, std::string> parse(std::string text,
                                                          std::size_t piece = 1 << 20,
                                                          bool wanted = true) {
    std::size_t at = 0;
    return collect::parse_snapshot(
        [&](std::span<char> buffer) {
            const std::size_t size = std::min({piece, buffer.size(), text.size() - at});
            std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(at), size, buffer.begin());
            at += size;
            return size;
        },
        [&](const Tuple&) { return wanted; });
}

TEST(SnapshotParse, Whole) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20U}) {
        const auto told = parse(seed("snapshot/whole"), piece);
        ASSERT_TRUE(told) << told.error();
        EXPECT_EQ(told->host_name, "web1");
        EXPECT_EQ(told->taken_at_ms, 1'795'214'155'250);
        EXPECT_EQ(told->synchronized, true);
        EXPECT_FALSE(told->restricted);
        ASSERT_EQ(told->namespaces.size(), 1U);
        EXPECT_EQ(told->namespaces[0].addresses[0].prefix_length, 24);
        EXPECT_EQ(told->namespaces[0].translation, Translation::none);
        EXPECT_EQ(told->namespaces[0].links[0].hardware_address,
                  (std::vector<std::uint8_t>{2, 0, 0, 0, 0, 1}));
        ASSERT_EQ(told->sockets.size(), 1U);
        EXPECT_EQ(told->sockets[0].tuple.remote.text(), "10.0.0.1:6379");
        EXPECT_EQ(told->sockets[0].cookie, 0x1aU);
        EXPECT_EQ(told->processes.owners.at(5), (std::vector<Owner>{{7, 3}}));
        EXPECT_EQ(told->processes.by_pid.at(7).group, "php-fpm: pool www");
    }
    EXPECT_TRUE(parse(seed("snapshot/whole"), 1 << 20, false)->sockets.empty());
}

TEST(SnapshotParse, Versions) {
    const auto of_version = [](const std::string& version) {
        std::string text = seed("snapshot/whole");
        const std::string first = "\"schema_version\": 1";
        text.replace(text.find(first), first.size(), "\"schema_version\": " + version);
        const auto parsed = parse(text);
        return parsed ? "" : parsed.error();
    };
    EXPECT_EQ(of_version("1"), "");
    EXPECT_EQ(of_version("2"), "");
    for (const char* other : {"0", "3", "-1", "4711"})
        EXPECT_EQ(of_version(other),
                  std::string("has schema_version ") + other + "; this connleak reads 1 and 2");
    EXPECT_EQ(of_version("\"2\""), "has a schema_version that is no number");
    EXPECT_EQ(of_version("2.5"), "has a schema_version that is no number");
    EXPECT_EQ(of_version("[2]"), "has no schema_version");
}

TEST(SnapshotParse, EveryCutIsRefused) {
    const std::string whole = seed("snapshot/whole");
    for (std::size_t size = 0; size < whole.size(); ++size)
        ASSERT_FALSE(parse(whole.substr(0, size))) << size;
}

TEST(SnapshotParse, Instants) {
    EXPECT_EQ(collect::parse_rfc3339_ms("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(collect::parse_rfc3339_ms("2024-02-29T23:59:59.9999+01:00"), 1'709'247'599'999);
    EXPECT_EQ(collect::parse_rfc3339_ms("2000-03-01T00:00:00.5Z"), 951'868'800'500);
    for (const char* wrong : {"", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00",
                              "2024-01-01T00:00:00.Zx", "2024-01-01T25:00:00Z", "yesterday"})
        EXPECT_EQ(collect::parse_rfc3339_ms(wrong), std::nullopt) << wrong;
}

TEST(Conntrack, BothSidesOfAMasqueradedConnection) {
    const std::string bytes = seed("conntrack/masquerade");
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto told = netlink::decode_tracked_connection({data, bytes.size()}, 9);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->netns, 9U);
    EXPECT_EQ(told->original.local.text(), "172.17.0.2:40000");
    EXPECT_EQ(told->reply.remote.text(), "10.0.0.7:40000");
    EXPECT_EQ(told->reply.local.text(), "10.0.0.1:6379");
    EXPECT_EQ(told->status, 0x18eU);
    EXPECT_TRUE(told->translated());
    const std::string plain = seed("conntrack/ipv6");
    const auto* other = reinterpret_cast<const std::uint8_t*>(plain.data());
    EXPECT_FALSE(netlink::decode_tracked_connection({other, plain.size()}, 9)->translated());
    for (std::size_t size = 0; size < 100; ++size)
        EXPECT_FALSE(netlink::decode_tracked_connection({data, size}, 9)) << size;
}

}  // namespace
}  // namespace connleak::cli

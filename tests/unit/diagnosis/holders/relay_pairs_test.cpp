// Which accepted connection is carried by which to the server.
#include "diagnosis/holders/relay_pairs.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace connleak {
namespace {

using Flows = std::vector<Flow>;

// "0-1" for a sure pair, "0~1" for one of several that look alike.
std::string describe(const std::vector<RelayPair>& pairs) {
    std::string text;
    for (const RelayPair& pair : pairs)
        text += (text.empty() ? "" : " ") + std::to_string(pair.accepted) +
                (pair.lookalikes != 0 ? "~" : "-") + std::to_string(pair.upstream);
    return text;
}

std::string by_bytes(const Flows& accepted, const Flows& upstream, std::int64_t slack_ms = 0) {
    return describe(pair_by_bytes(accepted, upstream, slack_ms));
}

TEST(RelayPairs, ARelaysTwoSockets) {
    Socket socket;
    EXPECT_FALSE(accepted_flow(socket).used());
    socket.info = TcpInfo{
        .last_data_sent_ms = 3, .last_data_received_ms = 9, .bytes_received = 120, .bytes_sent = 7};
    const Flow in = accepted_flow(socket);
    EXPECT_EQ(in.forward, 120U);
    EXPECT_EQ(in.backward, 7U);
    EXPECT_EQ(in.request_ago_ms, 9);
    EXPECT_EQ(in.reply_ago_ms, 3);
    const Flow out = upstream_flow(socket);
    EXPECT_EQ(out.forward, 7U);
    EXPECT_EQ(out.backward, 120U);
    EXPECT_EQ(out.request_ago_ms, 3);
    EXPECT_EQ(out.reply_ago_ms, 9);
}

TEST(RelayPairs, AsManyBytesBothWays) {
    EXPECT_EQ(
        by_bytes({{14, 7, 500, 498}, {28, 14, 500, 498}}, {{28, 14, 499, 499}, {14, 7, 499, 499}}),
        "0-1 1-0");
    // One direction alone, or the two exchanged, is nothing.
    EXPECT_EQ(by_bytes({{14, 7, 500, 500}}, {{14, 8, 500, 500}}), "");
    EXPECT_EQ(by_bytes({{14, 7, 500, 500}}, {{7, 14, 500, 500}}), "");
    EXPECT_EQ(by_bytes({{0, 0, 500, 500}}, {{0, 0, 500, 500}}), "");
    EXPECT_EQ(by_bytes({{14, 0, 500, 500}}, {{14, 0, 500, 500}}), "");
    EXPECT_EQ(by_bytes({}, {{14, 7, 500, 500}}), "");
}

TEST(RelayPairs, NotAtTheSameMoment) {
    EXPECT_EQ(by_bytes({{14, 7, 5'000, 5'000}}, {{14, 7, 90'000, 90'000}}), "");
    EXPECT_EQ(by_bytes({{14, 7, 5'000, 5'000}}, {{14, 7, 5'000, 90'000}}), "");
    EXPECT_EQ(by_bytes({{14, 7, 5'000, 5'000}}, {{14, 7, 6'500, 6'500}}), "");
    EXPECT_EQ(by_bytes({{14, 7, 5'000, 5'000}}, {{14, 7, 6'500, 6'500}}, 600), "0-0");
}

TEST(RelayPairs, AlikeInBytesButNotInTime) {
    // Each has a moment of its own.
    EXPECT_EQ(
        by_bytes({{14, 7, 300, 300}, {14, 7, 100, 100}}, {{14, 7, 100, 100}, {14, 7, 296, 296}}),
        "1-0 0-1");
    // Seconds apart, with a relay that was slow.
    EXPECT_EQ(by_bytes({{14, 7, 9'300, 9'300}, {14, 7, 100, 100}},
                       {{14, 7, 500, 500}, {14, 7, 9'000, 9'000}}),
              "1-0 0-1");
}

TEST(RelayPairs, Lookalikes) {
    EXPECT_EQ(
        by_bytes({{14, 7, 100, 100}, {14, 7, 104, 104}}, {{14, 7, 100, 100}, {14, 7, 104, 104}}),
        "0~0 1~1");
    // The finer look would explain one, and leave the others: it is not taken.
    EXPECT_EQ(
        by_bytes({{14, 7, 100, 100}, {14, 7, 300, 300}}, {{14, 7, 100, 100}, {14, 7, 200, 200}}),
        "0~0 1~1");
    EXPECT_EQ(
        by_bytes({{14, 7, 100, 100}, {14, 7, 100, 100}, {14, 7, 100, 100}}, {{14, 7, 100, 100}}),
        "0~0");
}

TEST(RelayPairs, ByTimeAlone) {
    const Flows accepted = {{14, 7, 100, 98}, {20, 9, 5'000, 4'000}, {20, 9, 9'000, 9'000}};
    const Flows upstream = {{3'020, 900, 4'996, 4'000}, {40, 90, 104, 100}, {9, 9, 9'000, 7'000}};
    EXPECT_EQ(describe(pair_by_time(accepted, upstream, 0)), "0-1 1-0");
    // Two at one moment could be either.
    EXPECT_EQ(describe(pair_by_time(Flows{{1, 1, 5, 5}, {2, 2, 5, 5}}, Flows{{1, 1, 5, 5}}, 0)),
              "");
    EXPECT_EQ(describe(pair_by_time(Flows{{1, 0, 5, 5}}, Flows{{1, 1, 5, 5}}, 0)), "");
}

std::string busy(const Flows& accepted, const Flows& upstream, std::vector<RelayPair> pairs = {}) {
    pair_busy(accepted, upstream, pairs);
    return describe(pairs);
}

TEST(RelayPairs, InUseWhileTheyAreRead) {
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}, {2'000'000, 9'000'000, 0, 0}},
                   {{2'001'000, 9'000'300, 0, 0}, {999'000, 9'000'300, 0, 0}}),
              "0-1 1-0");
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}}, {{1'020'000, 9'000'000, 0, 0}}), "");
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}}, {{1'000'000, 8'000'000, 0, 0}}), "");
    // Quiet ones must agree to the byte, and few bytes differ by much at once.
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 5'000, 5'000}}, {{1'000'001, 9'000'000, 0, 0}}), "");
    EXPECT_EQ(busy({{1'000, 9'000, 0, 0}}, {{1'001, 9'000, 0, 0}}), "");
    // Two that are as near.
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}},
                   {{1'000'100, 9'000'000, 0, 0}, {999'900, 9'000'000, 0, 0}}),
              "");
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}, {1'000'200, 9'000'000, 0, 0}},
                   {{1'000'100, 9'000'000, 0, 0}}),
              "");
    // What has its counterpart already is no other's.
    EXPECT_EQ(busy({{1'000'000, 9'000'000, 0, 0}, {1'000'200, 9'000'000, 0, 0}},
                   {{1'000'100, 9'000'000, 0, 0}, {1'000'200, 9'000'000, 0, 0}}, {{1, 1, 0}}),
              "1-1 0-0");
}

TEST(RelayPairs, HostileNumbers) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    constexpr std::int64_t late = std::numeric_limits<std::uint32_t>::max();
    EXPECT_EQ(by_bytes({{most, most, late, late}}, {{most, most, 0, 0}}), "");
    EXPECT_EQ(by_bytes({{most, most, late, 0}}, {{most, most, late, 0}}), "0-0");
    EXPECT_EQ(busy({{most, most, 0, 0}}, {{most - 1, most, 0, 0}, {1, 1, 0, 0}}), "0-0");
    // Ten thousand that are all the same, and as many that are nearly: no quadratic time.
    const Flows same(10'000, Flow{14, 7, 100, 100});
    EXPECT_EQ(pair_by_bytes(same, same, 0).size(), 10'000U);
    Flows near;
    for (std::uint64_t at = 0; at < 10'000; ++at)
        near.push_back({10'000'000 + at, 10'000'000 * (at + 1), 0, 0});
    std::vector<RelayPair> pairs;
    pair_busy(near, near, pairs);
    EXPECT_TRUE(pairs.empty());
}

}  // namespace
}  // namespace connleak

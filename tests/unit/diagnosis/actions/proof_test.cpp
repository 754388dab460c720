// Proof of life: whom to probe, what is concluded from what comes back, and what that makes of a
// report.
#include "diagnosis/actions/proof.h"

#include <gtest/gtest.h>

#include "probes/liveness/keepalive_probe.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::told;
using test::World;

Socket quiet_for(std::uint32_t ms) {
    Socket socket;
    socket.state = State::established;
    socket.info.emplace();
    socket.info->last_ack_received_ms = ms;
    socket.info->last_data_received_ms = ms;
    return socket;
}

Socket in_state(State state) {
    Socket socket = quiet_for(5000);
    socket.state = state;
    return socket;
}

std::string decided(const Watched& watched, const Socket* now, std::int64_t now_ms) {
    const auto outcome = decide(watched, now, now_ms);
    if (!outcome) return "wait";
    constexpr std::array names{"answered", "reset",     "unanswered", "heard",
                               "closed",   "undecided", "not probed"};
    return names.at(static_cast<std::size_t>(*outcome));
}

constexpr Watched many{.probed_at = 10'000, .wait_ms = 15'000, .probes = 60, .reset_seen = false};

TEST(Proof, WhoIsHeardAfterTheProbeIsAliveHoweverLate) {
    for (const std::uint32_t heard_ms : {0U, 10U, 400U}) {
        const Socket socket = quiet_for(heard_ms);
        EXPECT_EQ(decided(many, &socket, 10'010), "answered");
        EXPECT_EQ(decided(many, &socket, 99'000), "answered");
    }
}

TEST(Proof, WhatWasHeardBeforeTheProbeIsNoAnswer) {
    Socket socket = quiet_for(1000);
    EXPECT_EQ(decided(many, &socket, 10'000), "wait");
    socket = quiet_for(1200);
    EXPECT_EQ(decided(many, &socket, 10'100), "wait");
    socket = quiet_for(15'900);
    EXPECT_EQ(decided(many, &socket, 24'900), "wait");
}

TEST(Proof, SilenceIsDeathAfterTheWaitingAndEnoughProbesAlone) {
    const Socket socket = quiet_for(16'500);
    EXPECT_EQ(decided(many, &socket, 25'000), "unanswered");
    Watched few = many;
    few.probes = enough_probes - 1;
    EXPECT_EQ(decided(few, &socket, 25'000), "wait");  // the rate allows no more: they still come
    const Socket later = quiet_for(80'000);
    EXPECT_EQ(decided(few, &later, 80'000), "undecided");
    few.probes = 1;  // it could not be repeated
    EXPECT_EQ(decided(few, &socket, 25'000), "undecided");
    Socket unknown = socket;
    unknown.info.reset();
    EXPECT_NE(decided(many, &unknown, 25'000), "unanswered");
}

TEST(Proof, OnlyASeenResetIsAReset) {
    Watched reset = many;
    reset.reset_seen = true;
    EXPECT_EQ(decided(reset, nullptr, 10'010), "reset");
    EXPECT_EQ(decided(many, nullptr, 10'010), "closed");
    const Socket socket = quiet_for(2000);
    EXPECT_EQ(decided(reset, &socket, 10'010), "wait");  // a reset that the kernel did not accept
    for (const State state : {State::close_wait, State::fin_wait_1, State::time_wait}) {
        const Socket ending = in_state(state);
        EXPECT_EQ(decided(many, &ending, 10'010), "closed");
        EXPECT_EQ(decided(reset, &ending, 10'010), "closed");
    }
}

// A server with one connection of each kind, whose peers are out of sight.
struct Proven {
    World world;
    NetnsId server = world.host("server", "10.0.0.1");
    std::size_t redis = world.redis(server, "10.0.0.1:6379");
    Report report;
    Proven() {
        world.answer(redis).clients_complete = false;
        for (int at = 0; at < 3; ++at) {
            const Tuple tuple{test::end("10.0.0.1:6379"),
                              test::end("10.9.9." + std::to_string(at + 1) + ":4000")};
            world.socket(server, tuple, 100, 10 + at);
        }
        report = world.report();
    }
};

std::string all_told(const Report& report) {
    std::string text;
    for (const Connection& each : report.connections)
        text += each.client_end.address.text() + ' ' + describe(each) + '\n';
    return text;
}

TEST(Proof, UnverifiedOnesAreProbedAndAllWhenAsked) {
    Proven its;
    ASSERT_EQ(its.report.connections.size(), 3);
    EXPECT_EQ(choose_subjects(its.world.sample, its.report, false).size(), 3);
    its.report.connections[0].verdict = Verdict::healthy;
    its.report.connections[1].verdict = Verdict::suspect;
    EXPECT_EQ(choose_subjects(its.world.sample, its.report, false),
              (std::vector<Subject>{{1, false}, {2, false}}));
    EXPECT_EQ(choose_subjects(its.world.sample, its.report, true).size(), 3);
    for (const Verdict never : {Verdict::close_wait, Verdict::unaccepted, Verdict::transient}) {
        its.report.connections[2].verdict = never;
        EXPECT_EQ(choose_subjects(its.world.sample, its.report, true).size(), 2);
    }
}

TEST(Proof, WhatItMakesOfAReport) {
    Proven its;
    const auto proof = [&](std::size_t at, ProbeOutcome outcome) {
        Proof made{.subject = {at, false},
                   .outcome = outcome,
                   .now = quiet_for(7),
                   .sent = true,
                   .restored = true};
        made.now->netns = its.server;
        made.now->cookie = its.report.connections[at].server_socket->cookie;
        if (outcome == ProbeOutcome::reset) made.now.reset();
        return made;
    };
    apply_proofs(its.world.sample, its.world.policy,
                 {proof(0, ProbeOutcome::answered), proof(1, ProbeOutcome::reset),
                  proof(2, ProbeOutcome::unanswered)},
                 its.report);
    EXPECT_EQ(all_told(its.report),
              "10.9.9.1 healthy [peer-out-of-sight probe-answered]\n"
              "10.9.9.2 ghost [peer-out-of-sight probe-reset]\n"
              "10.9.9.3 ghost [peer-out-of-sight probe-unanswered]\n");
    const auto& counts = its.report.counts[its.redis].verdict;
    EXPECT_EQ(counts[static_cast<std::size_t>(Verdict::ghost)], 2);
    EXPECT_EQ(counts[static_cast<std::size_t>(Verdict::healthy)], 1);
    EXPECT_EQ(counts[static_cast<std::size_t>(Verdict::unverified)], 0);
    EXPECT_EQ(its.report.connections[0].last_heard_ms, 7);
    EXPECT_EQ(its.report.connections[1].server_socket->state, State::closed);
    ASSERT_TRUE(its.report.probes);
    EXPECT_EQ(its.report.probes->sent, 3);
    EXPECT_EQ(its.report.probes->answered, 1);
    EXPECT_EQ(its.report.probes->reset, 1);
    EXPECT_EQ(its.report.probes->unanswered, 1);
    EXPECT_EQ(its.report.probes->restored, 3);
}

TEST(Proof, WhatClosedMeanwhileIsLeftOutAndTheRestStaysAsItWas) {
    Proven its;
    Proof gone{.subject = {0, false},
               .outcome = ProbeOutcome::closed,
               .now = std::nullopt,
               .sent = true,
               .restored = true};
    Proof closing = gone;
    closing.subject = {1, false};
    closing.now = in_state(State::fin_wait_1);
    Proof undecided = gone;
    undecided.subject = {2, false};
    undecided.outcome = ProbeOutcome::undecided;
    apply_proofs(its.world.sample, its.world.policy, {gone, closing, undecided}, its.report);
    EXPECT_EQ(all_told(its.report),
              "10.9.9.2 transient []\n"
              "10.9.9.3 unverified [peer-out-of-sight]\n");
}

TEST(Proof, APeerThatIsClosingIsNotHealthyBecauseItAnswers) {
    Proven its;
    its.report.connections[0].verdict = Verdict::suspect;
    its.report.connections[0].evidence = {Evidence::peer_closing};
    const Proof answered{.subject = {0, false},
                         .outcome = ProbeOutcome::answered,
                         .now = std::nullopt,
                         .sent = true,
                         .restored = true};
    apply_proofs(its.world.sample, its.world.policy, {answered}, its.report);
    EXPECT_EQ(describe(its.report.connections[0]), "suspect [peer-closing probe-answered]");
}

TEST(KeepaliveProbe, IsNotSentWhereItCouldCloseWhatItTests) {
    using probes::KeepaliveSettings;
    using probes::LiveInfo;
    using probes::why_not_probed;
    const LiveInfo idle{.state = State::established, .probes = 0};
    const auto with = [](std::uint8_t unanswered) {
        return LiveInfo{.state = State::established, .probes = unanswered};
    };
    const KeepaliveSettings off{false, 7200, 75, 9, 0};
    EXPECT_EQ(why_not_probed(off, idle, 15), "");
    EXPECT_EQ(why_not_probed({false, 7200, 75, 1, 30'000}, with(5), 15), "");
    EXPECT_EQ(why_not_probed({true, 300, 100, 3, 0}, idle, 15), "");
    EXPECT_EQ(why_not_probed({true, 300, 100, 3, 0}, with(1), 15), "");
    EXPECT_NE(why_not_probed({true, 300, 100, 3, 0}, with(2), 15), "");
    EXPECT_NE(why_not_probed({true, 300, 100, 1, 0}, idle, 15), "");
    // The kernel's last probe must come when the waiting is over: after 15 + 5, and after 5 s.
    EXPECT_EQ(why_not_probed({true, 15, 5, 3, 0}, idle, 15), "");
    EXPECT_NE(why_not_probed({true, 15, 5, 3, 0}, idle, 16), "");
    EXPECT_NE(why_not_probed({true, 5, 30, 3, 0}, with(1), 15), "");
    EXPECT_NE(why_not_probed({true, 300, 100, 3, 20'000}, idle, 15), "");
    EXPECT_NE(why_not_probed({false, 86'400, 75, 9, 0}, idle, 15), "");
    LiveInfo busy = idle;
    busy.unacked = 1;
    EXPECT_NE(why_not_probed(off, busy, 15), "");
    busy = idle;
    busy.unsent_bytes = 1;
    EXPECT_NE(why_not_probed(off, busy, 15), "");
}

}  // namespace
}  // namespace connleak

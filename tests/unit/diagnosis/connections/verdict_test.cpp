// The contract's table of verdicts, row by row, and the order of precedence between the rows.
#include <gtest/gtest.h>

#include "diagnosis/connections/verdict.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using enum State;
constexpr PeerView out = PeerView::out_of_sight;
constexpr auto quiet = test::World::quiet_ms;

struct Side {
    State state = established;
    Timer timer = {};
    std::uint32_t heard_ms = quiet;
    std::optional<TcpInfo> info = std::nullopt;  // instead of heard_ms
};

struct Case {
    std::string_view name;
    std::optional<Side> server;
    std::optional<Side> client;
    Facts facts;
    std::optional<std::int64_t> row_idle_s;
    std::string_view expected;
};

std::optional<Socket> socket_of(const std::optional<Side>& side) {
    if (!side) return std::nullopt;
    Socket socket;
    socket.state = side->state;
    socket.timer = side->timer;
    socket.info = side->info.value_or(TcpInfo{.last_data_sent_ms = quiet,
                                              .last_data_received_ms = quiet,
                                              .last_ack_received_ms = side->heard_ms});
    return socket;
}

// "ghost [peer-socket-absent] keepalive off, heard 90000"
std::string judged(const Case& each, std::optional<std::uint64_t> keepalive_s = 300) {
    const auto server = socket_of(each.server);
    const auto client = socket_of(each.client);
    ServerClient row;
    row.idle_s = each.row_idle_s;
    Connection connection;
    connection.evidence = {Evidence::nat_suspected};  // of an earlier judgement: must go
    connection.server_socket = server ? &*server : nullptr;
    connection.client_socket = client ? &*client : nullptr;
    connection.row = each.row_idle_s ? &row : nullptr;
    judge(connection, each.facts, Policy{}, keepalive_s);
    std::string text = test::describe(connection);
    text += " keepalive " + std::string(to_string(connection.keepalive));
    text += ", heard " +
            (connection.last_heard_ms ? std::to_string(*connection.last_heard_ms) : "never");
    if (connection.kernel_gives_up_in_s)
        text += ", ends in " + std::to_string(*connection.kernel_gives_up_in_s);
    return text;
}

Side in(State state) {
    return {.state = state};
}
Side with(TimerKind kind, std::uint32_t retransmits = 0, std::uint32_t expires_ms = 5000) {
    return {.timer = {.kind = kind, .expires_ms = expires_ms, .retransmits = retransmits}};
}
Side heard(std::uint32_t ms) {
    return {.heard_ms = ms};
}
Facts peer(PeerView view) {
    return {.peer = view};
}
Facts listed(bool yes, PeerView view = out) {
    return {.peer = view, .listed = yes};
}

constexpr auto none = std::nullopt;

const std::vector<Case>& cases() {
    using enum PeerView;
    using enum TimerKind;
    static const std::vector<Case> all = {
        // healthy
        {"the peer's socket was seen", Side{}, Side{}, peer(present), none,
         "healthy [peer-socket-present] keepalive off, heard 90000"},
        {"seen, and not listed", Side{}, Side{}, listed(false, present), none,
         "healthy [peer-socket-present server-not-listing] keepalive off, heard 90000"},
        {"seen, whatever the kernel's signs", with(retransmit, 9), Side{}, peer(present), none,
         "healthy [peer-socket-present] keepalive masked, heard 90000"},
        {"the server lists it", none, Side{},
         Facts{.peer = present, .listed = true, .known_by_listing = true}, none,
         "healthy [server-listing] keepalive off, heard 90000"},
        {"heard within --recent", heard(60'000), none, peer(out), none,
         "healthy [recent-traffic] keepalive off, heard 60000"},
        {"the client's side alone, heard", none, heard(1), peer(out), none,
         "healthy [recent-traffic] keepalive off, heard 1"},
        {"an ACK later than all data answers a probe",
         Side{.timer = {.kind = keepalive, .expires_ms = 100'000}, .heard_ms = 20'000}, none,
         peer(out), none, "healthy [keepalive-answered] keepalive on, heard 20000"},
        {"an ACK of data that was sent",
         Side{.timer = {.kind = keepalive, .expires_ms = 100'000},
              .info = TcpInfo{.last_data_sent_ms = 20'000,
                              .last_data_received_ms = quiet,
                              .last_ack_received_ms = 20'000}},
         none, peer(out), none, "healthy [recent-traffic] keepalive on, heard 20000"},
        {"data counts as an ACK does",
         Side{.info = TcpInfo{.last_data_sent_ms = quiet,
                              .last_data_received_ms = 7,
                              .last_ack_received_ms = 90'001}},
         none, peer(out), none, "healthy [recent-traffic] keepalive off, heard 7"},
        {"a row alone, by the server's idle time", none, none, listed(true), 60,
         "healthy [recent-traffic] keepalive unknown, heard 60000"},
        // ghost
        {"the peer has no such socket", Side{}, none, peer(absent), none,
         "ghost [peer-socket-absent] keepalive off, heard 90000"},
        {"its absence outranks recent traffic", heard(5'000), none, peer(absent), none,
         "ghost [peer-socket-absent] keepalive off, heard 5000"},
        {"and the kernel's signs", with(keepalive, 1, 100'000), none, peer(absent), none,
         "ghost [peer-socket-absent] keepalive on, heard 90000, ends in 300"},
        {"a row that a remote server has of us", none, none, listed(true, absent), 5,
         "ghost [peer-socket-absent] keepalive unknown, heard 5000"},
        // orphan
        {"the server has no such socket", none, Side{}, peer(absent), none,
         "orphan [peer-socket-absent] keepalive off, heard 90000"},
        {"the server's list lacks it", none, heard(5'000),
         Facts{.peer = absent, .listed = false, .known_by_listing = true}, none,
         "orphan [server-not-listing] keepalive off, heard 5000"},
        // suspect
        {"the peer is closing", Side{}, in(fin_wait_2), peer(closing), none,
         "suspect [peer-closing] keepalive off, heard 90000"},
        {"closing outranks recency", heard(1), in(fin_wait_1), peer(closing), none,
         "suspect [peer-closing] keepalive off, heard 1"},
        {"unanswered probes", with(keepalive, 2, 40'000), none, peer(out), none,
         "suspect [keepalive-unanswered] keepalive on, heard 90000, ends in 140"},
        {"retransmissions", with(retransmit, 3), none, peer(out), none,
         "suspect [retransmitting] keepalive masked, heard 90000"},
        {"window probes", with(persist, 2), none, peer(out), none,
         "suspect [retransmitting] keepalive masked, heard 90000"},
        {"signs outrank recency",
         Side{.timer = {.kind = retransmit, .retransmits = 1}, .heard_ms = 1}, none, peer(out),
         none, "suspect [retransmitting] keepalive masked, heard 1"},
        {"of the client's socket, where it is the only one", none, with(keepalive, 1), peer(out),
         none, "suspect [keepalive-unanswered] keepalive on, heard 90000"},
        {"the server does not list a socket of its own", Side{}, none, listed(false), none,
         "suspect [server-not-listing] keepalive off, heard 90000"},
        {"nor when it was heard", heard(1), none, listed(false), none,
         "suspect [server-not-listing] keepalive off, heard 1"},
        {"possible translation does not hide the signs", with(keepalive, 1), none,
         peer(maybe_translated), none,
         "suspect [nat-suspected keepalive-unanswered] keepalive on, heard 90000, ends in 205"},
        // unverified
        {"quiet, and nothing speaks either way", heard(60'001), none, peer(out), none,
         "unverified [peer-out-of-sight] keepalive off, heard 60001"},
        {"one window probe is ordinary", with(persist, 1), none, peer(out), none,
         "unverified [peer-out-of-sight] keepalive masked, heard 90000"},
        {"a tail loss probe is armed", with(retransmit, 0), none, peer(out), none,
         "unverified [peer-out-of-sight] keepalive masked, heard 90000"},
        {"absent, but maybe translated", Side{}, none, peer(maybe_translated), none,
         "unverified [nat-suspected peer-out-of-sight] keepalive off, heard 90000"},
        {"the same, and heard", heard(1), none, peer(maybe_translated), none,
         "healthy [nat-suspected recent-traffic] keepalive off, heard 1"},
        {"a list that proves nothing about a client", none, Side{}, listed(false), none,
         "unverified [peer-out-of-sight] keepalive off, heard 90000"},
        {"a row alone, idle", none, none, listed(true), 61,
         "unverified [peer-out-of-sight] keepalive unknown, heard 61000"},
        {"nothing is known at all", none, none, peer(out), none,
         "unverified [peer-out-of-sight] keepalive unknown, heard never"},
        // closing states come first
        {"close-wait of the server", in(close_wait), none, peer(absent), none,
         "close-wait [peer-closed] keepalive off, heard 90000"},
        {"close-wait of the client", in(fin_wait_2), in(close_wait), peer(closing), none,
         "close-wait [peer-closed] keepalive unknown, heard 90000"},
        {"close-wait of the client alone", none, in(close_wait), listed(false, absent), none,
         "close-wait [peer-closed] keepalive off, heard 90000"},
        {"close-wait in the accept queue", in(close_wait), none, Facts{.accept_queue = true}, none,
         "close-wait [peer-closed accept-queue] keepalive off, heard 90000"},
        {"nobody has accepted it", Side{}, Side{},
         Facts{.peer = present, .accept_queue = true, .listed = false}, none,
         "unaccepted [accept-queue] keepalive off, heard 90000"},
        {"nor does its peer's absence matter then", Side{}, none,
         Facts{.peer = absent, .accept_queue = true}, none,
         "unaccepted [accept-queue] keepalive off, heard 90000"},
    };
    return all;
}

TEST(Verdict, EveryRowOfTheTable) {
    for (const Case& each : cases()) EXPECT_EQ(judged(each), each.expected) << each.name;
}

TEST(Verdict, HandshakesAndOrdinaryClosingStatesAreTransient) {
    for (const State state :
         {syn_sent, syn_received, fin_wait_1, fin_wait_2, time_wait, last_ack, closing, closed}) {
        for (const PeerView view : {out, PeerView::absent, PeerView::closing, PeerView::present}) {
            const std::string expected = "transient [] keepalive unknown, heard 90000";
            EXPECT_EQ(judged({"", in(state), none, peer(view), none, ""}), expected)
                << to_string(state);
            EXPECT_EQ(judged({"", none, in(state), peer(view), none, ""}), expected)
                << to_string(state);
            // The server's side is the one that is judged.
            EXPECT_EQ(judged({"", in(state), Side{}, peer(view), none, ""}), expected);
        }
    }
}

TEST(Verdict, WithoutTcpInfoNothingWasHeard) {
    Socket socket;
    socket.state = time_wait;
    EXPECT_FALSE(last_heard_ms(socket));
    socket.info = TcpInfo{.last_data_received_ms = 5, .last_ack_received_ms = 3};
    EXPECT_EQ(last_heard_ms(socket), 3);
}

// Only timer 0, and 5 which comes after keepalive in the kernel's choice, prove that it is off.
TEST(Verdict, KeepaliveByTheTimer) {
    const auto keepalive_of = [](std::optional<Side> server, std::optional<Side> client) {
        const std::string text = judged({"", server, client, peer(out), none, ""});
        const std::size_t begin = text.find("keepalive ", text.find(']')) + 10;
        return text.substr(begin, text.find(',', begin) - begin);
    };
    using enum TimerKind;
    EXPECT_EQ(keepalive_of(with(off), none), "off");
    EXPECT_EQ(keepalive_of(with(delack), none), "off");
    EXPECT_EQ(keepalive_of(with(keepalive), none), "on");
    EXPECT_EQ(keepalive_of(with(retransmit), none), "masked");
    EXPECT_EQ(keepalive_of(with(persist), none), "masked");
    EXPECT_EQ(keepalive_of(with(timewait), none), "unknown");
    // In FIN-WAIT-2 timer 2 is that state's own timeout.
    EXPECT_EQ(keepalive_of(Side{.state = fin_wait_2, .timer = {.kind = keepalive}}, none),
              "unknown");
    EXPECT_EQ(keepalive_of(Side{.state = close_wait, .timer = {.kind = keepalive}}, none), "on");
    EXPECT_EQ(keepalive_of(none, none), "unknown");
    // Of the server's side where there is one, else of the client's.
    EXPECT_EQ(keepalive_of(with(off), with(keepalive)), "off");
    EXPECT_EQ(keepalive_of(none, with(keepalive)), "on");
}

// tcp-keepalive 300 sets KEEPINTVL 100 and KEEPCNT 3: the connection goes when three probes are
// unanswered.
TEST(Verdict, WhenTheKernelGivesUp) {
    const auto left = [](std::optional<Side> server, std::optional<Side> client,
                         std::optional<std::uint64_t> setting) {
        const std::string text = judged({"", server, client, peer(out), none, ""}, setting);
        const std::size_t at = text.find("ends in ");
        return at == std::string::npos ? "null" : text.substr(at + 8);
    };
    using enum TimerKind;
    EXPECT_EQ(left(with(keepalive, 1, 99'900), none, 300), "299");
    EXPECT_EQ(left(with(keepalive, 2, 50'000), none, 300), "150");
    EXPECT_EQ(left(with(keepalive, 3, 1'999), none, 300), "1");
    EXPECT_EQ(left(with(keepalive, 1, 500), none, 1), "2") << "never less than 1 s apart";
    EXPECT_EQ(left(with(keepalive, 0, 50'000), none, 300), "null") << "nothing is unanswered";
    EXPECT_EQ(left(with(keepalive, 4, 50'000), none, 300), "null") << "other settings";
    EXPECT_EQ(left(with(keepalive, 1, 7'000'000), none, 300), "null") << "other settings";
    EXPECT_EQ(left(with(keepalive, 1, 50'000), none, 0), "null");
    EXPECT_EQ(left(with(keepalive, 1, 50'000), none, none), "null");
    EXPECT_EQ(left(none, with(keepalive, 1, 50'000), 300), "null") << "the client's own setting";
    EXPECT_EQ(left(with(retransmit, 1, 50'000), none, 300), "null");
}

TEST(Verdict, RecentIsWhatTheUserSays) {
    const auto socket = socket_of(heard(90'000));
    for (const auto& [recent_ms, expected] :
         {std::pair{std::int64_t{90'000}, Verdict::healthy}, {89'999, Verdict::unverified}}) {
        Connection connection;
        connection.server_socket = &*socket;
        judge(connection, {}, Policy{.recent_ms = recent_ms}, none);
        EXPECT_EQ(connection.verdict, expected);
    }
}

}  // namespace
}  // namespace connleak

// What reap and protect would do: ghosts and nothing else, in the way that can be done.
#include "diagnosis/actions/plan.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/act/render.h"
#include "diagnosis/actions/proof.h"
#include "tests/unit/worlds/chaos.h"
#include "tests/unit/worlds/reports.h"

namespace connleak {
namespace {

using test::Chaos;
using test::Made;
using test::Pair;
using test::World;

// "40001 kill, 40002 destroy (why not)"
std::string describe(const Plan& plan) {
    std::string text;
    for (const Action& each : plan.actions) {
        text += (text.empty() ? "" : ", ") + std::to_string(each.connection->client_end.port) +
                ' ' + std::string(to_string(each.method));
        if (!each.planned) text += " (" + each.reason + ')';
    }
    return text;
}

struct Lan : World {
    NetnsId server = host("server", "10.0.0.1");
    NetnsId web = host("web", "10.0.0.2");
    std::size_t its = 0;
    Report report_;
    Lan() {
        cable(server, web);
        its = redis(server, "10.0.0.1:6379");
    }
    Pair connect_quiet(int port, std::uint32_t quiet_s) {
        const Pair pair = connect(web, "10.0.0.2:" + std::to_string(port), its);
        change_server(pair, [&](Socket& each) {
            each.info->last_ack_received_ms = each.info->last_data_received_ms = quiet_s * 1000;
        });
        return pair;
    }
    Plan plan(MethodChoice choice = MethodChoice::automatic,
              std::optional<std::uint64_t> most = std::nullopt) {
        report_ = report();
        return plan_reap(sample, report_, choice, most);
    }
    Plan protection() {
        report_ = report();
        return plan_protect(sample, report_);
    }
};

TEST(Plan, ReapsTheGhostsAndNothingElseTheLongestSilentFirst) {
    Lan lan;
    lan.lose_client(lan.connect_quiet(40'001, 100));
    lan.lose_client(lan.connect_quiet(40'002, 300));
    lan.lose_client(lan.connect_quiet(40'003, 200));
    lan.connect_quiet(40'004, 900);
    lan.lose_server(lan.connect_quiet(40'005, 900));
    EXPECT_EQ(describe(lan.plan()), "40002 kill, 40003 kill, 40001 kill");
    EXPECT_EQ(describe(lan.plan(MethodChoice::destroy)),
              "40002 destroy, 40003 destroy, 40001 destroy");
    const Plan two = lan.plan(MethodChoice::automatic, 2);
    EXPECT_EQ(describe(two), "40002 kill, 40003 kill");
    EXPECT_EQ(two.beyond_max, 1U);
    EXPECT_EQ(two.totals().planned, 2U);
    EXPECT_EQ(lan.plan(MethodChoice::automatic, 3).beyond_max, 0U);
}

TEST(Plan, TakesTheWayThatCanBeTaken) {
    Lan lan;
    lan.lose_client(lan.connect_quiet(40'001, 100));
    lan.answer(0).clients[0].id = 0;  // before 2.8.12
    EXPECT_EQ(describe(lan.plan()), "40001 destroy");
    const Plan old = lan.plan(MethodChoice::kill);
    EXPECT_EQ(describe(old), "40001 kill (the server gives its clients no ids (before 2.8.12))");
    EXPECT_EQ(old.totals().planned, 0U);
    lan.answer(0) = {};
    EXPECT_EQ(describe(lan.plan()), "40001 destroy");
    EXPECT_EQ(describe(lan.plan(MethodChoice::kill)),
              "40001 kill (the server does not tell its clients)");

    // A server elsewhere lists a client of this host that this host does not have.
    World away;
    const NetnsId web = away.host("web", "10.0.0.2");
    const std::size_t remote = away.remote_redis(web, "192.0.2.1:6379");
    ServerAnswer& answer = away.answer(remote);
    answer.own_connection = Tuple{test::end("10.0.0.2:50000"), test::end("192.0.2.1:6379")};
    answer.own_address_seen = answer.own_connection->local;
    answer.own_local_seen = answer.own_connection->remote;
    away.lose_client(away.connect(web, "10.0.0.2:40001", remote));
    const Report report = away.report();
    EXPECT_EQ(describe(plan_reap(away.sample, report, MethodChoice::automatic, {})), "40001 kill");
    EXPECT_EQ(describe(plan_reap(away.sample, report, MethodChoice::destroy, {})),
              "40001 destroy (the server's socket is not in sight of this host)");
}

TEST(Plan, InAnyWorldOnlyGhostsAreReapedAndNoneThatLives) {
    std::uint64_t planned = 0;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Chaos world(seed, seed % 3 == 0);
        const Report report = world.report();
        const auto ghosts = static_cast<std::size_t>(
            std::ranges::count(report.connections, Verdict::ghost, &Connection::verdict));
        const auto choice = static_cast<MethodChoice>(seed % 3);
        const Plan plan = plan_reap(world.sample, report, choice, {});
        ASSERT_EQ(plan.actions.size(), ghosts);
        for (const Action& each : plan.actions) {
            ++planned;
            ASSERT_EQ(each.connection->verdict, Verdict::ghost) << seed;
            ASSERT_FALSE(world.falsely_dead(*each.connection)) << seed;
            ASSERT_TRUE(!each.planned || each.method != Method::kill ||
                        (each.connection->row != nullptr && each.connection->row->id != 0));
            ASSERT_TRUE(!each.planned || each.method != Method::destroy ||
                        each.connection->server_socket != nullptr);
        }
        const std::uint64_t most = seed % 4;
        const Plan bounded = plan_reap(world.sample, report, choice, most);
        ASSERT_LE(bounded.totals().planned, most);
        ASSERT_EQ(bounded.actions.size() + bounded.beyond_max, ghosts);
    }
    EXPECT_GT(planned, 500U);
}

TEST(Plan, ProtectsTheServersSideOfWhatLacksKeepalive) {
    Lan lan;
    lan.connect_quiet(40'001, 100);
    lan.change_server(lan.connect_quiet(40'002, 300),
                      [](Socket& each) { each.timer.kind = TimerKind::keepalive; });
    lan.change_server(lan.connect_quiet(40'003, 200),
                      [](Socket& each) { each.timer.kind = TimerKind::persist; });
    lan.change_server(lan.connect_quiet(40'004, 900),
                      [](Socket& each) { each.state = State::close_wait; });
    lan.change_server(lan.connect_quiet(40'005, 900), [](Socket& each) { each.inode = 0; });
    lan.lose_client(lan.connect_quiet(40'006, 150));
    lan.lose_server(lan.connect_quiet(40'007, 900));
    Plan plan = lan.protection();
    EXPECT_EQ(describe(plan), "40003 keepalive, 40006 keepalive, 40001 keepalive");
    const auto shown = [&] {
        const auto all = coverage(lan.sample, lan.report_, plan);
        return all.empty()
                   ? "none"
                   : std::to_string(all[0].covered) + " of " + std::to_string(all[0].connections);
    };
    EXPECT_EQ(shown(), "1 of 4");
    plan.already.push_back(plan.actions[0].connection);
    plan.actions.erase(plan.actions.begin());
    EXPECT_EQ(shown(), "2 of 4");
    plan.actions[0].end(Outcome::skipped, "gone already");
    EXPECT_EQ(shown(), "2 of 3");
    plan.actions[1].end(Outcome::done);
    EXPECT_EQ(shown(), "3 of 3");
    plan.actions[1].end(Outcome::skipped, std::string(has_keepalive));
    EXPECT_EQ(shown(), "3 of 3");
    plan.actions[1].end(Outcome::failed, "EPERM");
    EXPECT_EQ(shown(), "2 of 3");
}

TEST(Plan, ProtectsTheClientsSideWhereTheServerIsOutOfSight) {
    World away;
    const NetnsId web = away.host("web", "10.0.0.2");
    away.connect(web, "10.0.0.2:40001", away.remote_redis(web, "192.0.2.1:6379"));
    const Report report = away.report();
    EXPECT_EQ(describe(plan_protect(away.sample, report)), "40001 keepalive");
    EXPECT_EQ(socket_to_protect(away.sample, report.connections[0]),
              report.connections[0].client_socket);
}

// Neither reaped, protected nor probed: its pid and descriptor are another host's.
TEST(Plan, ASocketOfASnapshotIsNotHereToBeActedOn) {
    const auto chosen = [](NetnsId place, Verdict verdict) {
        Sample sample;
        sample.servers.emplace_back().netns = place;
        Socket socket;
        socket.netns = place;
        socket.state = State::established;
        socket.inode = 7;
        Report report;
        Connection& connection = report.connections.emplace_back();
        connection.server_socket = connection.client_socket = &socket;
        connection.verdict = verdict;
        return std::array{plan_reap(sample, report, MethodChoice::destroy, {}).totals().planned,
                          plan_protect(sample, report).totals().planned,
                          std::uint64_t{choose_subjects(sample, report, true).size()}};
    };
    const std::array<std::uint64_t, 3> none{};
    for (const Verdict verdict :
         {Verdict::healthy, Verdict::ghost, Verdict::suspect, Verdict::unverified, Verdict::orphan})
        EXPECT_EQ(chosen(first_peer_netns, verdict), none);
    EXPECT_EQ(chosen(1, Verdict::ghost), (std::array<std::uint64_t, 3>{1, 1, 1}));
}

TEST(Plan, TheTimeIsTheServersOwnUnlessToldOtherwise) {
    Server server;
    EXPECT_EQ(keepalive_s(server, {}), 300);
    server.answer.tcp_keepalive_s = 0;
    EXPECT_EQ(keepalive_s(server, {}), 300);
    server.answer.tcp_keepalive_s = 60;
    EXPECT_EQ(keepalive_s(server, {}), 60);
    EXPECT_EQ(keepalive_s(server, 7), 7);
    server.answer.tcp_keepalive_s = 1'000'000'000'000;
    EXPECT_EQ(keepalive_s(server, {}), 32'767) << "more is refused by setsockopt(2)";
    Sample sample;
    sample.servers.resize(3);
    sample.servers[1].answer.tcp_keepalive_s = 0;
    sample.servers[2].answer.tcp_keepalive_s = 300;
    const auto settings = settings_to_change(sample, 60, true);
    ASSERT_EQ(settings.size(), 1U);
    EXPECT_EQ(settings[0].server, 1U);
    EXPECT_EQ(settings[0].value_s, 60);
    EXPECT_TRUE(settings[0].planned);
    sample.servers[1].path = "/run/redis.sock";
    EXPECT_TRUE(settings_to_change(sample, 60, true).empty()) << "it has no TCP clients";
}

// ---------------------------------------------------------------- as people see it

void expect_golden(const std::string& name, const std::string& text) {
    const std::string file = TEST_DATA "/golden/" + name + ".txt";
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (std::getenv("CONNLEAK_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << text;
    std::ostringstream golden;
    golden << std::ifstream(file).rdbuf();
    EXPECT_EQ(text, golden.str()) << file;
}

TEST(ActionsTable, ReapBeforeAndAfter) {
    Made world(test::story);
    const Report report = world.report();
    Plan plan = plan_reap(world.sample, report, MethodChoice::automatic, 1'200);
    render::Acts acts{.report = report, .plan = plan};
    expect_golden("reap-plan", render::reap_table(world.sample, acts, false));
    for (std::size_t at = 0; at < plan.actions.size(); ++at) {
        Action& each = plan.actions[at];
        if (at % 100 == 0)
            each.end(Outcome::skipped, "the client came back");
        else if (at % 300 == 1)
            each.end(Outcome::failed, "NOPERM \x1b[31m");
        else
            each.end(Outcome::done);
    }
    acts.acted = true;
    expect_golden("reap-done", render::reap_table(world.sample, acts, false));
    plan.actions.back().end(Outcome::skipped, "interrupted");
    acts.interrupted = true;
    EXPECT_TRUE(render::reap_table(world.sample, acts, false).contains("\nInterrupted: "));
}

TEST(ActionsTable, ProtectBeforeAndAfter) {
    Made world(test::story);
    world.answer(0).tcp_keepalive_s = 0;
    const Report report = world.report();
    Plan plan = plan_protect(world.sample, report);
    render::Acts acts{.report = report, .plan = plan};
    acts.settings = settings_to_change(world.sample, {}, false);
    acts.coverage = coverage(world.sample, report, plan);
    expect_golden("protect-plan", render::protect_table(world.sample, acts, false));
    for (Action& each : plan.actions) each.end(Outcome::done);
    plan.actions[3].end(Outcome::failed, "EPERM: CAP_SYS_PTRACE");
    acts.acted = true;
    acts.settings[0].planned = true;
    acts.settings[0].outcome = Outcome::done;
    acts.coverage = coverage(world.sample, report, plan);
    expect_golden("protect-done", render::protect_table(world.sample, acts, false));
}

TEST(ActionsTable, NothingToDo) {
    Made world(test::healthy);
    const Report report = world.report();
    const Plan plan;
    const render::Acts acts{
        .report = report, .plan = plan, .coverage = coverage(world.sample, report, plan)};
    EXPECT_EQ(render::reap_table(world.sample, acts, false),
              "redis 7.0.15  *:6379  no ghosts, nothing to do\n");
    EXPECT_EQ(render::protect_table(world.sample, acts, false),
              "redis 7.0.15  *:6379  every connection has keepalive, nothing to do\n");
}

}  // namespace
}  // namespace connleak

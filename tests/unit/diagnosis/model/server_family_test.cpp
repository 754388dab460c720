// The table of families: each kind, port, scheme and program belongs to one of them, and what a
// family lacks it does not get from another.
#include "diagnosis/model/server_family.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "diagnosis/findings/commands.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::World;

constexpr std::array every_kind{ServerKind::tcp,    ServerKind::redis,     ServerKind::valkey,
                                ServerKind::keydb,  ServerKind::dragonfly, ServerKind::mysql,
                                ServerKind::mariadb};

TEST(ServerFamilies, EveryKindIsInOne) {
    std::multiset<ServerKind> listed;
    std::set<std::string_view> names;
    for (const ServerFamily& family : server_families()) {
        ASSERT_FALSE(family.kinds.empty());
        for (const ServerFamily::Kind& each : family.kinds) {
            listed.insert(each.kind);
            names.insert(each.name);
            EXPECT_EQ(&family_of(each.kind), &family);
            EXPECT_EQ(&kind_row(each.kind), &each);
            EXPECT_EQ(to_string(each.kind), each.name);
        }
    }
    EXPECT_EQ(listed, std::multiset<ServerKind>(every_kind.begin(), every_kind.end()));
    EXPECT_EQ(names.size(), every_kind.size());
}

TEST(ServerFamilies, PortsSchemesAndProgramsAreOfOneFamily) {
    std::set<std::uint16_t> ports;
    std::set<std::string_view> schemes;
    std::vector<std::string_view> programs;
    for (const ServerFamily& family : server_families()) {
        for (const std::uint16_t port : family.ports) {
            EXPECT_TRUE(ports.insert(port).second) << port;
            EXPECT_EQ(usual_kind(port), family.kinds.front().kind);
        }
        EXPECT_TRUE(schemes.insert(family.scheme).second) << family.scheme;
        if (!family.tls_scheme.empty()) {
            EXPECT_TRUE(schemes.insert(family.tls_scheme).second) << family.tls_scheme;
        }
        for (const ServerFamily::Program& program : family.programs) {
            programs.push_back(program.name);
            EXPECT_EQ(find_program(program.name), &program);
            EXPECT_EQ(&family_of(program.kind), &family) << program.name;
            EXPECT_LE(program.name.size(), 15U) << "TASK_COMM_LEN";
        }
    }
    EXPECT_EQ(usual_ports(), (std::vector<std::uint16_t>{6379, 3306}));
    EXPECT_EQ(usual_ports_text(), "6379 or 3306");
    EXPECT_EQ(usual_kind(9092), ServerKind::redis) << "what is asked where nothing is known";
    for (const std::string_view one : programs)
        for (const std::string_view other : programs)
            EXPECT_EQ(one.starts_with(other), one == other) << one << ' ' << other;
    EXPECT_EQ(find_program("nginx"), nullptr);
    EXPECT_EQ(find_program("mysqld_safe"), find_program("mysqld"));
}

TEST(ServerFamilies, Schemes) {
    const auto found = [](std::string_view target) -> std::string {
        const auto match = find_scheme(target);
        if (!match) return "none";
        return std::string(to_string(match->family->kinds.front().kind)) +
               (match->tls ? " tls " : " ") + std::string(target.substr(match->size));
    };
    EXPECT_EQ(found("redis://h:1"), "redis h:1");
    EXPECT_EQ(found("rediss://h:1"), "redis tls h:1");
    EXPECT_EQ(found("mysql://h"), "mysql h");
    EXPECT_EQ(found("tcp://h:1"), "tcp h:1");
    for (const char* none : {"", "redis:/h", "redisss://h", "mysqls://h", "://h", "h:6379"})
        EXPECT_EQ(found(none), "none") << none;
}

// What is asked has a name for its gaps, and all that is needed to log in and to say how.
TEST(ServerFamilies, WhatIsAskedHasAllThatAskingNeeds) {
    for (const ServerFamily& family : server_families()) {
        const bool asked = can_be_asked(family.kinds.front().kind);
        EXPECT_EQ(asked, !family.ports.empty()) << family.title;
        EXPECT_EQ(asked, !family.programs.empty()) << family.title;
        EXPECT_EQ(asked, !family.password_place.empty()) << family.title;
        EXPECT_EQ(asked, !family.settings.limit.empty()) << family.title;
        EXPECT_EQ(asked, !family.texts.at_limit.empty() && !family.texts.raise_full.empty());
        for (const ServerFamily::Kind& kind : family.kinds)
            EXPECT_EQ(asked, !kind.client.empty()) << kind.name;
        EXPECT_EQ(asked, is_server_gap({std::string(family.gap_source), "", "", ""}));
    }
    EXPECT_FALSE(is_server_gap({"netlink", "", "", ""}));
    EXPECT_FALSE(is_server_gap({}));
    EXPECT_EQ(no_server_text(), "no Redis-compatible server and no MySQL");
    EXPECT_EQ(no_server_text(&ServerFamily::title), "no Redis and no MySQL");
}

TEST(ServerFamilies, HowASettingIsChanged) {
    EXPECT_EQ(family_of(ServerKind::keydb).set("timeout", 60), "CONFIG SET timeout 60");
    EXPECT_EQ(family_of(ServerKind::mariadb).set("wait_timeout", 60),
              "SET GLOBAL wait_timeout = 60");
    EXPECT_EQ(family_of(ServerKind::mysql).set("", 60), "") << "a setting that it does not have";
    EXPECT_EQ(family_of(ServerKind::tcp).set("timeout", 60), "");
}

// All that a report says of a service that speaks no protocol, with every finding that it can have.
TEST(ServerFamilies, AServiceWithoutRemediesGetsNoneOfAnothers) {
    World world;
    const NetnsId where = world.host("", "10.0.0.1");
    const NetnsId web = world.host("web", "10.0.0.2");
    world.cable(where, web);
    const std::size_t service = world.redis(where, "10.0.0.1:9092", 500);
    Server& server = world.sample.servers[service];
    server.kind = ServerKind::tcp;
    const auto pair = world.connect(web, "10.0.0.2:40001", service);
    world.lose_client(world.connect(web, "10.0.0.2:40002", service));
    world.change(where, pair.server_tuple, [](Socket& socket) { socket.timer = {}; });
    server.answer = {};
    server.answer.kind = ServerKind::tcp;
    const Report report = world.report();
    EXPECT_FALSE(report.findings.empty());
    std::string text = Commands(world.sample, server).client("PING") +
                       Commands(world.sample, server).set("timeout", 60);
    EXPECT_EQ(text, "");
    for (const Finding& finding : report.findings)
        text += finding.summary + '\n' + finding.remedy + '\n' + finding.command + '\n';
    for (const char* foreign : {"redis", "CONFIG", "tcp-keepalive", "maxclients", "mysql", "GLOBAL",
                                "`timeout`", "pconnect"})
        EXPECT_FALSE(text.contains(foreign)) << foreign << " in:\n" << text;
    EXPECT_TRUE(text.contains("keepalive")) << text;
}

TEST(NativeFields, KeepWhatTheyWereGiven) {
    NativeFields fields;
    EXPECT_EQ(fields.find("a"), std::nullopt);
    const std::string bytes("\0\xff\n", 3);
    const std::string name(300, 'n');
    const std::string value(70'000, 'v');
    fields.add("empty", "");
    fields.add("absent", std::nullopt);
    fields.add("bytes", bytes);
    fields.add(name, value);
    fields.add("", "no name");
    std::string seen;
    fields.each([&](std::string_view each, NativeFields::Value of) {
        seen += std::string(each.substr(0, 6)) + (of ? "=" + std::to_string(of->size()) : "") + ' ';
    });
    EXPECT_EQ(seen, "empty=0 absent bytes=3 nnnnnn=65534 =7 ");
    EXPECT_EQ(fields.find("bytes"), bytes);
    EXPECT_EQ(fields.find(name.substr(0, 255))->size(), 65'534U) << "cut";
    EXPECT_EQ(fields.find("empty"), "");
    fields.add("bytes", "again");
    fields.add("absent", "there");
    EXPECT_EQ(fields.find("bytes"), "again");
    EXPECT_EQ(fields.find("absent"), "there");
    std::size_t count = 0;
    fields.each([&](std::string_view, NativeFields::Value) { ++count; });
    EXPECT_EQ(count, 5U) << "each name once";
}

}  // namespace
}  // namespace connleak

// What MySQL and MariaDB say, of many versions and of none.
#include "probes/mysql/decode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace connleak::probes {
namespace {

using Cells = std::vector<std::optional<std::string_view>>;

constexpr auto null = std::nullopt;
const std::vector<std::string> usual{"Id",      "User", "Host",  "db",
                                     "Command", "Time", "State", "Info"};

ProcessList list_of(const std::vector<std::string>& columns, const std::vector<Cells>& rows) {
    ProcessList list(columns);
    for (const Cells& row : rows) list.add(row);
    return list;
}

std::string number(const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : "-";
}

// "address", "name:port", "name:?", "unix".
std::string place(const ServerClient& client) {
    if (client.address) return client.address->text();
    if (client.by_unix_socket) return "unix";
    return client.host_name + ':' + (client.host_port ? std::to_string(*client.host_port) : "?");
}

std::string place(std::string_view host) {
    ServerClient client;
    read_host(host, client);
    return place(client);
}

// A line for each client: id, user, place, database, command, idle, age, state.
std::string describe(ProcessList list, std::optional<std::uint64_t> uptime_s = null) {
    std::string text;
    for (const ServerClient& each : list.take(uptime_s))
        text += std::to_string(each.id) + ' ' + each.user + ' ' + place(each) +
                " db=" + each.database + ' ' + each.command + " idle=" + number(each.idle_s) +
                " age=" + number(each.age_s) + " state=" + each.state + '\n';
    return text;
}

// "id:idle/age" of each.
std::string ages(const std::vector<Cells>& id_and_time,
                 std::optional<std::uint64_t> uptime_s = null) {
    ProcessList list(usual);
    for (const Cells& row : id_and_time)
        list.add(Cells{row[0], "app", "10.0.0.7:41234", null, "Sleep", row[1], null, null});
    std::string text;
    for (const ServerClient& each : list.take(uptime_s))
        text += (text.empty() ? "" : " ") + std::to_string(each.id) + ':' + number(each.idle_s) +
                '/' + number(each.age_s);
    return text;
}

TEST(MysqlProcessList, MariaDb) {
    EXPECT_EQ(describe(list_of(
                  {"Id", "User", "Host", "db", "Command", "Time", "State", "Info", "Progress"},
                  {{"31", "shop", "10.0.0.7:41234", "shop", "Sleep", "90", "", null, "0.000"},
                   {"32", "root", "localhost", null, "Query", "0", "starting", "SHOW PROCESSLIST",
                    "0.000"}})),
              "31 shop 10.0.0.7:41234 db=shop Sleep idle=90 age=90 state=\n"
              "32 root unix db= Query idle=0 age=0 state=starting\n");
}

TEST(MysqlProcessList, WhatARowMeans) {
    const auto clients =
        list_of({"Id", "User", "Host", "db", "Command", "Time", "State", "Info", "Progress"},
                {{"1", "repl", "10.0.0.9:50001", null, "Binlog Dump", "812", null, null, "0.000"},
                 {"2", "shop", "10.0.0.7:41234", null, "Sleep", "90", "", null, "0.000"},
                 {"3", "shop", "localhost", null, "Query", "1", "", "SELECT 'secret'", null}})
            .take(null);
    ASSERT_EQ(clients.size(), 3U);
    EXPECT_EQ(clients[0].purpose, Purpose::replication);
    EXPECT_EQ(clients[0].exempt, Exempt::replica);
    EXPECT_EQ(clients[1].purpose, Purpose::client);
    EXPECT_EQ(clients[1].exempt, std::nullopt);
    EXPECT_TRUE(clients[1].age_is_least);
    EXPECT_EQ(clients[1].name, std::nullopt);
    EXPECT_EQ(clients[1].native.find("Host"), "10.0.0.7:41234");
    EXPECT_EQ(clients[1].native.find("Progress"), "0.000");
    EXPECT_EQ(clients[2].exempt, Exempt::busy);
    EXPECT_TRUE(clients[2].by_unix_socket && clients[2].unnamed);
    clients[2].native.each([](std::string_view name, NativeFields::Value value) {
        EXPECT_FALSE(value && value->contains("secret")) << name;
    });
}

TEST(MysqlProcessList, Mysql8) {
    EXPECT_EQ(describe(list_of(
                  usual, {{"5", "event_scheduler", "localhost", null, "Daemon", "812",
                           "Waiting on empty queue", null},
                          {"9", "shop", "web1.example:41234", "shop", "Sleep", "7", "", null},
                          {"8", "shop", "2001:db8::7:41234", null, "Execute", "3", "executing",
                           "SELECT 1"}})),
              "8 shop [2001:db8::7]:41234 db= Execute idle=3 age=7 state=executing\n"
              "9 shop web1.example:41234 db=shop Sleep idle=7 age=7 state=\n");
}

TEST(MysqlProcessList, ColumnsInAnyOrderAndByAnyCase) {
    EXPECT_EQ(describe(list_of({"INFO", "STATE", "TIME", "COMMAND", "DB", "HOST", "USER", "ID",
                                "TIME_MS", "QUERY_ID", "TID"},
                               {{"x", "idle", "12", "Sleep", "shop", "10.0.0.7:41234", "app", "4",
                                 "12000.5", "17", "9"}})),
              "4 app 10.0.0.7:41234 db=shop Sleep idle=12 age=12 state=idle\n");
}

TEST(MysqlProcessList, WhatIsMissingIsAbsent) {
    const ProcessList few = list_of({"Host", "Command", "Id"}, {{"10.0.0.7:41234", "Sleep", "4"}});
    EXPECT_TRUE(few.readable());
    EXPECT_EQ(describe(few), "4  10.0.0.7:41234 db= Sleep idle=- age=- state=\n");
    for (const std::vector<std::string>& columns : {std::vector<std::string>{},
                                                    {"Id", "User", "Host"},
                                                    {"Id", "Command"},
                                                    {"Host", "Command"},
                                                    {"Variable_name", "Value"}})
        EXPECT_FALSE(ProcessList(columns).readable());
}

TEST(MysqlProcessList, NullsAndShortRows) {
    const ProcessList list =
        list_of(usual, {{"4", null, "10.0.0.7:41234", null, null, null, null, null},
                        {"5", "app", "10.0.0.7:41235"},
                        {null, "app", "10.0.0.7:41236", null, "Sleep", "1"},
                        {"", "app", "10.0.0.7:41237", null, "Sleep", "1"},
                        {"-1", "app", "10.0.0.7:41238", null, "Sleep", "1"},
                        {"6x", "app", "10.0.0.7:41239", null, "Sleep", "1"},
                        {}});
    EXPECT_EQ(list.dropped_rows(), 5U);
    EXPECT_EQ(describe(list),
              "4  10.0.0.7:41234 db=  idle=- age=- state=\n"
              "5 app 10.0.0.7:41235 db=  idle=- age=- state=\n");
}

TEST(MysqlProcessList, TextsAreBoundedAndOtherwiseAsTheyCame) {
    const std::string longest(10'000, 'x');
    ProcessList list = list_of(usual, {{"4", longest, "10.0.0.7:41234", longest, "Sleep", "1",
                                        "\x1b[31m\xff\n", longest}});
    const auto clients = list.take(null);
    ASSERT_EQ(clients.size(), 1U);
    EXPECT_LT(clients[0].user.size(), 1'000U);
    EXPECT_LT(clients[0].database.size(), 1'000U);
    EXPECT_EQ(clients[0].state, "\x1b[31m\xff\n");
}

TEST(MysqlProcessList, ThreadsOfTheServersOwnAreLeftOut) {
    EXPECT_EQ(
        describe(list_of(
            usual,
            {{"1", "system user", "", null, "Connect", "812", "Waiting for master", null},
             {"2", "system user", null, null, "Slave_SQL", "812", null, null},
             {"3", "system user", "connecting host", null, "Connect", "812", null, null},
             {"4", "event_scheduler", "localhost", null, "Daemon", "812", null, null},
             {"5", "", "", null, "Daemon", null, "InnoDB purge worker", null},
             {"6", "repl", "10.0.0.9:50001", null, "Binlog Dump", "812", null, null},
             {"7", "unauthenticated user", "connecting host", null, "Connect", null, "login", null},
             {"8", "system user", "10.0.0.7:41234", null, "Sleep", "3", null, null}})),
        "6 repl 10.0.0.9:50001 db= Binlog Dump idle=812 age=812 state=\n"
        "7 unauthenticated user connecting host:? db= Connect idle=- age=3 state=login\n"
        "8 system user 10.0.0.7:41234 db= Sleep idle=3 age=3 state=\n")
        << "a replica is a client, and a user may be called as the server's threads are";
}

// Who came before one that has been here for an hour has been here for an hour, too.
TEST(MysqlProcessList, AgesAreBoundedByWhoCameLater) {
    EXPECT_EQ(ages({{"10", "5"}, {"11", "3600"}, {"12", "1"}}), "10:5/3600 11:3600/3600 12:1/1");
    EXPECT_EQ(ages({{"12", "1"}, {"10", "5"}, {"11", "3600"}}), "10:5/3600 11:3600/3600 12:1/1")
        << "in whatever order they are told";
    EXPECT_EQ(ages({{"10", "7200"}, {"11", "60"}}), "10:7200/7200 11:60/60")
        << "nothing is known of who came later";
    EXPECT_EQ(ages({{"10", "5"}, {"11", null}, {"12", "9"}, {"13", null}}),
              "10:5/9 11:-/9 12:9/9 13:-/-");
    EXPECT_EQ(ages({}), "");
}

// SET TIMESTAMP makes it so.
TEST(MysqlProcessList, TimesThatCannotBe) {
    EXPECT_EQ(ages({{"10", "5"}, {"11", "-30"}, {"12", "1700000000"}, {"13", "2"}}, 10'000),
              "10:5/5 11:-/2 12:-/2 13:2/2");
    EXPECT_EQ(ages({{"10", "10000"}, {"11", "10001"}}, 10'000), "10:10000/10000 11:-/-");
    EXPECT_EQ(ages({{"10", "x"}, {"11", "9223372036854775808"}, {"12", "1.5"}, {"13", ""}}),
              "10:-/- 11:-/- 12:-/- 13:-/-");
    EXPECT_EQ(ages({{"10", "9223372036854775807"}}), "10:9223372036854775807/9223372036854775807");
}

TEST(MysqlHost, Addresses) {
    EXPECT_EQ(place("10.0.0.7:41234"), "10.0.0.7:41234");
    EXPECT_EQ(place("127.0.0.1:1"), "127.0.0.1:1");
    EXPECT_EQ(place("2001:db8::7:41234"), "[2001:db8::7]:41234");
    EXPECT_EQ(place("::1:41234"), "[::1]:41234");
    EXPECT_EQ(place("[2001:db8::7]:41234"), "[2001:db8::7]:41234");
    EXPECT_EQ(place("::ffff:10.0.0.7:41234"), "10.0.0.7:41234");
    EXPECT_EQ(place("[::ffff:10.0.0.7]:41234"), "10.0.0.7:41234");
}

TEST(MysqlHost, Names) {
    EXPECT_EQ(place("web1.example:41234"), "web1.example:41234");
    EXPECT_EQ(place("localhost:41234"), "localhost:41234") << "127.0.0.1, resolved";
    EXPECT_EQ(place("localhost"), "unix");
    EXPECT_EQ(place("fe80::1%eth0:41234"), "fe80::1%eth0:41234");
}

TEST(MysqlHost, WithoutAPortNothingIsMadeUp) {
    EXPECT_EQ(place("connecting host"), "connecting host:?");
    EXPECT_EQ(place("10.0.0.7"), "10.0.0.7:?") << "none of a Unix socket's";
    for (const char* port : {"", "x", "65536", "-1", "+1", " 1", "1 "})
        EXPECT_EQ(place(std::string("web1:") + port), "web1:?") << port;
    EXPECT_EQ(place("10.0.0.7:65536"), "10.0.0.7:?");
    EXPECT_EQ(place(""), ":?");
    EXPECT_EQ(place(":"), ":?");
    EXPECT_EQ(place("[:1"), "[:1");
    EXPECT_EQ(place("[]:1"), ":1");
    EXPECT_EQ(place("LOCALHOST"), "LOCALHOST:?");
}

// LIST_PROCESS_HOST_LEN leaves 63 bytes for name and port.
TEST(MysqlHost, APortThatMayBeCutOffIsNone) {
    const std::string name(58, 'a');
    EXPECT_EQ(place(name + ":412"), name + ":412") << "62 bytes";
    EXPECT_EQ(place(name + ":4123"), name + ":?") << "was it 41234?";
    EXPECT_EQ(place(name.substr(1) + ":41234"), name.substr(1) + ":41234") << "no port is longer";
    EXPECT_EQ(place(name + "aaaaa"), name + "aaaaa:?") << "cut off before its port";
    EXPECT_EQ(place(name + "aaaa:"), name + "aaaa:?");
}

TEST(MysqlHost, TheLongestNameIsReadWithItsPort) {
    const std::string name(255, 'a');
    ProcessList list =
        list_of(usual, {{"4", "app", name + ":41234", null, "Sleep", "1", null, null}});
    const auto clients = list.take(null);
    ASSERT_EQ(clients.size(), 1U);
    EXPECT_EQ(place(clients[0]), name + ":41234");
}

TEST(MysqlGrants, ThePrivilegeToSeeAllThreads) {
    for (const char* grant :
         {"GRANT PROCESS ON *.* TO `monitor`@`%`",
          "GRANT PROCESS ON *.* TO 'monitor'@'%' IDENTIFIED BY PASSWORD '*00'",
          "GRANT PROCESS, REPLICATION CLIENT ON *.* TO `monitor`@`10.0.0.%`",
          "GRANT SELECT, RELOAD, PROCESS ON *.* TO `monitor`@`%` WITH GRANT OPTION",
          "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED VIA unix_socket WITH "
          "GRANT OPTION",
          "GRANT PROCESS ON *.* TO `monitoring_role`",
          "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, SHUTDOWN, PROCESS, FILE, "
          "REFERENCES, INDEX, ALTER, SHOW DATABASES, SUPER, CREATE TEMPORARY TABLES, LOCK TABLES, "
          "EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE "
          "ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE TABLESPACE, CREATE ROLE, "
          "DROP ROLE ON *.* TO `root`@`localhost` WITH GRANT OPTION",
          "grant process on *.* to monitor", "GRANT PROCESS ON *.* TO `a`@`b` on *.* to "})
        EXPECT_TRUE(grants_process(grant)) << grant;
}

TEST(MysqlGrants, OthersAreNot) {
    for (const char* grant :
         {"", "GRANT", "GRANT PROCESS", "GRANT  ON *.* TO ", "GRANT USAGE ON *.* TO `app`@`%`",
          "GRANT SELECT, INSERT ON `shop`.* TO `app`@`%`",
          "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`",
          "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION",
          "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
          "GRANT `process`@`%` TO `app`@`%`", "GRANT `process` TO `app`@`%`",
          "GRANT process TO app", "SET DEFAULT ROLE `process` FOR `app`@`%`",
          "REVOKE PROCESS ON *.* FROM `app`@`%`",
          "GRANT BINLOG_ADMIN,CONNECTION_ADMIN,PROCESS_X ON *.* TO `root`@`localhost`",
          "GRANT APPLICATION_PASSWORD_ADMIN,AUDIT_ADMIN ON *.* TO `root`@`localhost`",
          "GRANT EXECUTE ON PROCEDURE `shop`.`process` TO `app`@`%`",
          // Names can hold anything.
          "GRANT SELECT ON `shop`.* TO `process on *.* to`@`%`",
          "GRANT SELECT ON `shop`.* TO `x, process on *.* to y`@`%`",
          "GRANT SELECT ON `x, process on *.* to y`.* TO `app`@`%`",
          "GRANT PROXY ON 'x, process on *.* to y'@'%' TO 'app'@'%'",
          "GRANT `x, process on *.* to y`@`%` TO `app`@`%`",
          "GRANT \"x, process on *.* to y\" TO \"app\"@\"%\"",
          "GRANT SELECT (`process, process on *.* to `) ON `a`.`b` TO `app`@`%`"})
        EXPECT_FALSE(grants_process(grant)) << grant;
}

TEST(MysqlVersion, KindsAndVersions) {
    for (const auto& [greeting, kind, version] :
         {std::tuple{"8.0.36", ServerKind::mysql, "8.0.36"},
          {"8.4.0-commercial", ServerKind::mysql, "8.4.0-commercial"},
          {"5.7.44-48-log", ServerKind::mysql, "5.7.44-48-log"},
          {"5.5.5-m3", ServerKind::mysql, "5.5.5-m3"},
          {"", ServerKind::mysql, ""},
          {"10.11.6-MariaDB-0+deb12u1", ServerKind::mariadb, "10.11.6-MariaDB-0+deb12u1"},
          {"5.5.5-10.3.39-MariaDB-log", ServerKind::mariadb, "10.3.39-MariaDB-log"},
          {"11.8.6-MariaDB-0+deb13u1 from Debian", ServerKind::mariadb, "11.8.6-MariaDB-0+deb13u1"},
          {"5.5.68-MariaDB", ServerKind::mariadb, "5.5.68-MariaDB"},
          {"11.4.2-mariadb", ServerKind::mariadb, "11.4.2-mariadb"}}) {
        EXPECT_EQ(mysql_kind(greeting), kind) << greeting;
        EXPECT_EQ(mysql_version(greeting), version);
    }
    EXPECT_LT(mysql_version(std::string(10'000, 'x')).size(), 1'000U);
}

TEST(MysqlNumbersTold, ByTheirNamesInSmallLetters) {
    MysqlNumbers numbers;
    for (const Cells& row : {Cells{"max_connections", "151"},
                             {"Threads_connected", "18446744073709551615"},
                             {"Uptime", "-1"},
                             {"Uptime", "1.5"},
                             {"Uptime", ""},
                             {"Uptime", null},
                             {null, "7"},
                             {"Uptime"},
                             {},
                             {"ssl", "ON"},
                             {"wait_timeout", "28800", "more"}})
        add_number(row, numbers);
    EXPECT_EQ(numbers, (MysqlNumbers{{"max_connections", 151},
                                     {"threads_connected", 18446744073709551615U},
                                     {"wait_timeout", 28800}}));
}

TEST(MysqlNumbersTold, TwoInARow) {
    EXPECT_EQ(two_numbers(Cells{"31", "4711"}), std::pair(std::uint64_t{31}, std::uint64_t{4711}));
    for (const Cells& row : {Cells{},
                             {"31"},
                             {"31", null},
                             {null, "1"},
                             {"31", "x"},
                             {"", "1"},
                             {"-1", "1"},
                             {"18446744073709551616", "1"}})
        EXPECT_FALSE(two_numbers(row));
}

TEST(MysqlErrorClasses, WhatARefusalMeans) {
    EXPECT_EQ(mysql_error_class(1040), MysqlErrorClass::at_limit);
    for (const unsigned int code : {1044U, 1045U, 1129U, 1130U, 1203U, 1226U, 1251U, 1524U, 1698U,
                                    1820U, 3118U, 4151U, 2026U, 2059U})
        EXPECT_EQ(mysql_error_class(code), MysqlErrorClass::denied) << code;
    for (const unsigned int code : {2000U, 2002U, 2003U, 2006U, 2013U, 2999U})
        EXPECT_EQ(mysql_error_class(code), MysqlErrorClass::unreachable) << code;
    for (const unsigned int code : {0U, 1064U, 1142U, 1227U, 1999U, 3000U, 4294967295U})
        EXPECT_EQ(mysql_error_class(code), MysqlErrorClass::other) << code;
}

}  // namespace
}  // namespace connleak::probes

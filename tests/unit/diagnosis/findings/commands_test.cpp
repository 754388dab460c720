// The commands that a finding tells a person to paste into a root shell: they reach the right
// place, close the right connections, and nothing in a name can make them do anything else.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "diagnosis/findings/commands.h"
#include "tests/unit/worlds/json_text.h"
#include "tests/unit/worlds/world.h"

namespace connleak {
namespace {

using test::end;
using test::json_of;
using test::Pair;
using test::World;

std::string run(const std::string& command) {
    std::FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr) return "cannot run";
    std::string output;
    char buffer[4096];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe))
        output.append(buffer, count);
    const int status = ::pclose(pipe);
    return status == 0 ? output : output + "exit " + std::to_string(status);
}

// A temporary file that goes with the test.
struct File {
    std::string name = std::filesystem::temp_directory_path() / "connleak-commands-XXXXXX";
    explicit File(std::string_view content) {
        ::close(::mkstemp(name.data()));
        std::ofstream(name) << content;
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { std::filesystem::remove(name); }
};

// What bash makes of the command when everything that it calls only prints its arguments.
std::string in_bash(const std::string& command) {
    const File script(
        "p() { printf '<%s>' \"$@\"; }; ip() { p ip \"$@\"; }; nsenter() { p nsenter \"$@\"; }\n"
        "connleak() { p connleak \"$@\"; }; redis-cli() { p redis-cli \"$@\"; cat; }\n"
        "jq() { p jq; cat; }; ss() { p ss \"$@\"; }\n" +
        command + '\n');
    return run("bash " + script.name);
}

const std::vector<std::string> hostile = {"a b",         "$(reboot)",  "`reboot`",  "a'b",
                                          "a\"b",        "a\\b",       "'; reboot", "a\nreboot\n",
                                          "\x1b[31mred", "\xff\xfe 1", "*",         "é\x7f'\\1"};

TEST(Commands, AreSafeToPasteWhateverTheNamesHold) {
    for (const std::string& name : hostile) {
        World world;
        world.netns("own");
        const NetnsId where = world.host(name, "10.0.0.1");
        world.redis(where, "10.0.0.1:6379");
        Commands commands(world.sample, world.sample.servers[0]);
        const std::string command = commands.client("PING");
        EXPECT_EQ(in_bash(command + " </dev/null"), "<ip><netns><exec><" + name +
                                                        "><redis-cli><-h><10.0.0.1><-p><6379>"
                                                        "<PING>");
        for (const char c : command) EXPECT_TRUE(c >= ' ' && c <= '~') << command;

        world.sample.servers[0].path = "/run/" + name;
        world.at(where).own = true;
        EXPECT_EQ(in_bash(commands.client("PING") + " </dev/null"),
                  "<redis-cli><-s></run/" + name + "><PING>");
        EXPECT_EQ(in_bash(commands.connleak("scan", "--json")),
                  "<connleak><scan><unix:/run/" + name + "><--json>");
    }
}

TEST(Commands, ReachTheServersNamespace) {
    World world;
    const NetnsId home = world.host("", "10.0.0.9");
    const NetnsId named = world.host("web1", "10.0.0.1");
    world.redis(named, "0.0.0.0:6379");
    Server& server = world.sample.servers[0];
    const Commands commands(world.sample, server);
    EXPECT_EQ(commands.client("PING"), "ip netns exec web1 redis-cli -p 6379 PING");
    EXPECT_EQ(commands.connleak("scan", "--json"), "connleak scan :6379 --json");
    server.endpoint = end("127.0.0.1:6379");
    EXPECT_EQ(commands.client("PING"), "ip netns exec web1 redis-cli -p 6379 PING");
    EXPECT_EQ(commands.connleak("scan", "--json"),
              "ip netns exec web1 connleak scan 127.0.0.1:6379 --json")
        << "from here that address is another host";
    world.at(named).name = "docker/1a2b";
    EXPECT_EQ(commands.client(""), "nsenter --net=/run/docker/netns/1a2b redis-cli -p 6379");
    world.at(named).name = "";
    EXPECT_EQ(commands.client(""), "nsenter -t 500 -n redis-cli -p 6379");
    server.pid.reset();
    EXPECT_EQ(commands.client(""), "nsenter -t 500 -n redis-cli -p 6379") << "any process there";
    world.sample.processes.by_pid.clear();
    EXPECT_EQ(commands.client(""), "") << "never in the wrong place";
    EXPECT_EQ(commands.connleak("reap"), "") << "a loopback address is another host elsewhere";
    EXPECT_EQ(commands.destroy_client_sockets(Verdict::ghost), "");
    server.netns = home;
    server.kind = ServerKind::valkey;
    server.endpoint = end("[2001:db8::1]:6380");
    EXPECT_EQ(commands.client("PING"), "valkey-cli -h 2001:db8::1 -p 6380 PING");
}

// Two servers whose clients have the same ids and addresses, and one with a wildcard beside it.
struct Twins {
    World world;
    std::vector<Pair> pairs;
    Twins() {
        for (const char* name : {"a", "b"}) {
            const NetnsId server = world.host(std::string("server-") + name, "10.0.0.1");
            const NetnsId web = world.host(std::string("web-") + name, "10.0.0.2");
            world.own_address(server, "2001:db8::1");
            world.own_address(web, "2001:db8::2");
            world.cable(server, web);
            const std::size_t redis = world.redis(server, "10.0.0.1:6379", 500 + *name);
            world.sample.servers[redis].listening = {end("0.0.0.0:6379"), end("[::]:6379")};
            pairs.push_back(world.connect(web, "10.0.0.2:40001", redis, 700 + *name));
            pairs.push_back(world.connect(web, "[2001:db8::2]:40002", redis, 700 + *name,
                                          "[2001:db8::1]:6379"));
            pairs.push_back(world.connect(web, "10.0.0.2:40003", redis, 700 + *name));
            for (ServerClient& row : world.answer(redis).clients)
                row.id = row.id < 6 ? row.id : row.id - 3;
        }
    }
    // What the jq of a command makes of a report of both servers.
    std::string chosen(const std::string& command) {
        const std::string begin = "jq -r '";
        const std::size_t from = command.find(begin) + begin.size();
        const std::string filter = command.substr(from, command.find("' |", from) - from);
        const Report report = world.report();
        const File json(json_of({}, world.sample, report));
        return run("jq -r '" + filter + "' " + json.name);
    }
    [[nodiscard]] Commands commands(std::size_t server) const {
        return {world.sample, world.sample.servers[server]};
    }
};

TEST(Commands, CloseTheConnectionsOfTheirOwnServerAlone) {
    if (run("jq --version >/dev/null 2>&1") != "") GTEST_SKIP() << "jq is not installed";
    Twins twins;
    twins.world.lose_server(twins.pairs[4]);
    EXPECT_EQ(twins.chosen(twins.commands(0).destroy_client_sockets(Verdict::orphan)), "");
    EXPECT_EQ(twins.chosen(twins.commands(1).destroy_client_sockets(Verdict::orphan)),
              std::to_string(700 + 'b') + " [2001:db8::2]:40002 [2001:db8::1]:6379\n");
}

TEST(Commands, TellTwoServersOnOnePortApartByTheirProcess) {
    Twins twins;
    // The second moves in with the first.
    Server& second = twins.world.sample.servers[1];
    second.netns = twins.world.sample.servers[0].netns;
    second.endpoint = end("10.0.0.7:6379");
    second.listening = {second.endpoint};
    for (const std::size_t each : {0U, 1U}) {
        const std::string pid = std::to_string(*twins.world.sample.servers[each].pid);
        EXPECT_TRUE(twins.commands(each)
                        .destroy_client_sockets(Verdict::orphan)
                        .contains("any(.server_socket.owners[]?; .pid == " + pid + ')'));
    }
}

TEST(Commands, CarryTheLoginOfTheRun) {
    for (const std::string& name : hostile) {
        World world;
        world.host("own", "10.0.0.1");
        world.redis(world.sample.namespaces.front().id, "10.0.0.1:6379");
        world.sample.servers[0].user = name;
        const Commands commands(world.sample, world.sample.servers[0]);
        EXPECT_EQ(in_bash(commands.connleak("reap", "--yes")),
                  "<connleak><reap><10.0.0.1:6379><--user><" + name + "><--yes>");
        EXPECT_EQ(in_bash(commands.client("PING") + " </dev/null"),
                  "<redis-cli><-h><10.0.0.1><-p><6379><--user><" + name + "><PING>");
        world.sample.password_file = "/etc/" + name;
        EXPECT_EQ(in_bash(commands.connleak("reap")), "<connleak><reap><10.0.0.1:6379><--user><" +
                                                          name + "><--pass-file></etc/" + name +
                                                          ">");
        EXPECT_TRUE(commands.client("PING").ends_with(" --askpass PING"));
    }
    World world;
    const NetnsId own = world.host("own", "10.0.0.1");
    world.tcp(own, "10.0.0.1:9092");
    world.redis(own, "10.0.0.1:6379");
    world.sample.password_file = "/etc/password";
    EXPECT_EQ(Commands(world.sample, world.sample.servers[0]).connleak("reap"),
              "connleak reap tcp://10.0.0.1:9092");
    world.sample.password_file = "";
    world.sample.password_asked = true;
    EXPECT_EQ(Commands(world.sample, world.sample.servers[1]).connleak("reap"),
              "connleak reap 10.0.0.1:6379 --askpass");
}

TEST(Commands, ThatCloseSocketsPassEachTupleAsTwoWords) {
    const Twins twins;
    std::string command = twins.commands(0).destroy_client_sockets(Verdict::orphan);
    const std::size_t jq = command.find("jq ");
    command.replace(jq, command.find("' | while") + 1 - jq, "echo '77 [::1]:1 [::2]:2'");
    EXPECT_EQ(in_bash(command),
              "<nsenter><-t><77><-n><ss><-K><state><established><src><[::1]:1><dst><[::2]:2>");
}

}  // namespace
}  // namespace connleak

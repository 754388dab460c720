// What filter expressions say of sockets.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/diagnosis/filter/describe.h"

namespace connleak::filter {
namespace {

Socket make(const std::string& local, const std::string& remote, State state = State::established) {
    Socket socket;
    socket.tuple = {Endpoint::parse(local).value(), Endpoint::parse(remote).value()};
    socket.state = state;
    socket.ipv6_socket = socket.tuple.local.address.family() == Family::ipv6;
    socket.inode = 7;
    socket.info.emplace();
    return socket;
}

bool holds(const std::string& text, const Socket& socket) {
    const FilterAnswer answer = parsed(text).test({.socket = socket});
    EXPECT_NE(answer, FilterAnswer::needs_owners) << text;
    return answer == FilterAnswer::yes;
}

void expect(const Socket& socket, const std::vector<std::string>& yes,
            const std::vector<std::string>& no) {
    for (const std::string& text : yes) {
        EXPECT_TRUE(holds(text, socket)) << text;
        EXPECT_FALSE(holds("not ( " + text + " )", socket)) << text;
    }
    for (const std::string& text : no) {
        EXPECT_FALSE(holds(text, socket)) << text;
        EXPECT_TRUE(holds("not ( " + text + " )", socket)) << text;
    }
}

TEST(Filter, Nothing) {
    EXPECT_TRUE(holds("", make("10.0.0.1:6379", "10.0.0.2:40000")));
}

TEST(Filter, IPv4) {
    expect(make("10.0.0.1:6379", "10.0.0.2:40000"),
           {"src 10.0.0.1", "src 10.0.0.1:6379", "dst 10.0.0.2:40000", "src 10/8",
            "src 10.0.0.0/31", "src 0.0.0.0/0", "src *", "src any", "src :6379", "dport = 40000",
            "dport > 39999", "dport >= 40000", "dport < 40001", "dport <= 40000", "sport != 1",
            "src inet:10.0.0.1", "sport = inet:6379", "autobound or sport 6379", "src != 10.0.0.2"},
           {"src 10.0.0.2", "src 10.0.0.1:6380", "dst 10.0.0.1", "src 11/8", "src 10.0.0.4/30",
            "src ::/0", "src ::ffff:10.0.0.1", "src inet6:*", "dport > 40000", "dport < 40000",
            "sport != 6379", "src != *", "autobound", "src ::"});
}

TEST(Filter, IPv6) {
    expect(make("[2001:db8::1]:6379", "[2001:db8::2]:40000"),
           {"src [2001:db8::1]:6379", "src 2001:db8::/32", "src ::/0", "src inet6:*",
            "dst [2001:db8::3/127]", "src 2000::/3"},
           {"src [2001:db8::2]", "src 0.0.0.0/0", "src inet:*", "src 2001:db9::/32", "src 32.1/16",
            "src ::/1 and src 8000::/1"});
    expect(make("[::]:6379", "[::]:0", State::listen), {"src ::", "src ::/128"},
           {"src 0.0.0.0", "src 0.0.0.0/0"});
}

// A v4 client on a dual-stack socket: an IPv4 pattern finds it, and IPv6 patterns see its own form.
TEST(Filter, IPv4OnAnIPv6Socket) {
    Socket socket = make("10.0.0.1:6379", "10.0.0.2:40000");
    socket.ipv6_socket = true;
    expect(socket,
           {"src 10.0.0.1", "src 10/8", "src 0.0.0.0/0", "src ::/0", "src ::ffff:10.0.0.1",
            "dst ::ffff:0:0/96", "dst [::ffff:10.0.0.0/104]:40000", "src inet6:*"},
           {"src ::ffff:10.0.0.2", "dst ::ffff:11.0.0.0/104", "src inet:10.0.0.1", "src ::1"});
}

TEST(Filter, States) {
    const Socket established = make("10.0.0.1:6379", "10.0.0.2:40000");
    const Socket listener = make("10.0.0.1:6379", "0.0.0.0:0", State::listen);
    expect(established, {"( state established )", "( state connected )", "( exclude listening )"},
           {"( state listening )", "( state bucket )", "( exclude synchronized )"});
    EXPECT_FALSE(holds("state established", listener));
    EXPECT_FALSE(holds("state established sport 1 or sport 6379", listener));
    EXPECT_TRUE(holds("exclude established sport 1 or sport 6379", listener));

    const auto states = [](const std::string& text) {
        const auto mask = parsed(text).possible_states();
        return mask ? fmt::format("{:x}", *mask) : "none named";
    };
    EXPECT_EQ(states(""), "none named");
    EXPECT_EQ(states("sport 22"), "none named");
    EXPECT_EQ(states("state established sport 22"), "2");
    EXPECT_EQ(states("sport 22 state established"), "2");
    EXPECT_EQ(states("sport 22 or state established"), "ffe");
    EXPECT_EQ(states("state connected and ( state listening or not state syn-sent )"), "b7a");
    EXPECT_EQ(states("not ( sport 22 or state established )"), "ffc");
    EXPECT_EQ(states("not ( sport 22 and state established )"), "ffe");
    EXPECT_EQ(states("state big ( state time-wait )"), "0");
}

TEST(Filter, TimerAndKeepalive) {
    Socket socket = make("10.0.0.1:6379", "10.0.0.2:40000");
    expect(socket, {"timer off", "keepalive off"}, {"timer on", "keepalive on"});
    socket.timer.kind = TimerKind::keepalive;
    expect(socket, {"timer keepalive", "keepalive on"}, {"timer off", "keepalive off"});
    socket.timer.kind = TimerKind::retransmit;
    expect(socket, {"timer on", "timer retransmit", "keepalive masked"}, {"keepalive unknown"});
    socket.timer.kind = TimerKind::persist;
    expect(socket, {"timer probe", "timer persist", "keepalive masked"}, {"timer on"});
    socket.timer.kind = TimerKind::delack;
    expect(socket, {"timer delack", "keepalive off"}, {"timer off"});
    socket.state = State::listen;
    expect(socket, {"keepalive unknown"}, {"keepalive off"});
}

TEST(Filter, Idle) {
    Socket socket = make("10.0.0.1:6379", "10.0.0.2:40000");
    socket.info->last_data_received_ms = 90'999;
    socket.info->last_ack_received_ms = 60'999;
    expect(socket,
           {"idle = 60", "idle = 1m", "idle > 59", "idle >= 60", "idle <= 60", "idle < 61",
            "idle != 59"},
           {"idle > 60", "idle < 60", "idle != 60", "idle >= 61", "idle = 90"});
    // Not known: no comparison holds, so every negation does.
    for (const State state : {State::listen, State::syn_sent, State::time_wait}) {
        socket.state = state;
        expect(socket, {}, {"idle > 0", "idle < 1", "idle = 0", "idle != 5", "idle >= 0"});
    }
    EXPECT_TRUE(parsed("( not ( pid 1 or idle > 5 ) )").asks_for_info());
    EXPECT_FALSE(parsed("pid 1 or keepalive off").asks_for_info());
}

TEST(Filter, Device) {
    Socket socket = make("10.0.0.1:6379", "10.0.0.2:40000");
    expect(socket, {"dev 0"}, {"dev eth0", "dev 3"});
    socket.interface = 3;
    expect(socket, {"dev 3", "dev != 4"}, {"dev eth0", "dev 0"});
    EXPECT_EQ(parsed("dev eth0").test({.socket = socket, .device = "eth0"}), FilterAnswer::yes);
    EXPECT_EQ(parsed("dev eth1").test({.socket = socket, .device = "eth0"}), FilterAnswer::no);
}

TEST(Filter, Autobound) {
    const Socket client = make("10.0.0.1:40000", "10.0.0.2:6379");
    expect(client, {"autobound"}, {"not autobound"});
    const auto with = [&](std::uint16_t low, std::uint16_t high) {
        return parsed("autobound").test({.socket = client, .local_ports = {low, high}});
    };
    EXPECT_EQ(with(40000, 40000), FilterAnswer::yes);
    EXPECT_EQ(with(40001, 50000), FilterAnswer::no);
    EXPECT_EQ(with(1024, 39999), FilterAnswer::no);
}

TEST(Filter, Owners) {
    Process worker;
    worker.pid = 42;
    worker.comm = "php-fpm8.2";
    worker.group = "php-fpm: pool shop";
    worker.unit = "php8.2-fpm.service";
    worker.user = "www-data";
    worker.uid = 33;
    Process other = worker;
    other.pid = 43;
    other.comm = "sh";
    const std::vector<const Process*> both = {&worker, &other};
    const std::vector<const Process*> none;
    const Socket socket = make("10.0.0.1:40000", "10.0.0.2:6379");

    const auto told_with = [&](const std::string& text) {
        const Filter filter = parsed(text);
        EXPECT_TRUE(filter.asks_for_owners()) << text;
        std::string answers;
        constexpr const char* words[] = {"no", "needs", "yes"};
        for (const FilterAnswer answer :
             {filter.test({.socket = socket}), filter.test({.socket = socket, .owners = both}),
              filter.test({.socket = socket, .owners = none})})
            answers += std::string(answers.empty() ? "" : " ") + words[static_cast<int>(answer)];
        return answers;
    };
    // before the owners are known, with two, with none
    EXPECT_EQ(told_with("pid 42"), "needs yes no");
    EXPECT_EQ(told_with("pid 43"), "needs yes no");
    EXPECT_EQ(told_with("pid 44"), "needs no no");
    EXPECT_EQ(told_with("pid != 43"), "needs no yes");
    EXPECT_EQ(told_with("comm sh"), "needs yes no");
    EXPECT_EQ(told_with("comm ~ fpm"), "needs yes no");
    EXPECT_EQ(told_with("comm = fpm"), "needs no no");
    EXPECT_EQ(told_with("comm !~ fpm"), "needs no yes");
    EXPECT_EQ(told_with("group ~ shop"), "needs yes no");
    EXPECT_EQ(told_with("group = 'php-fpm: pool shop'"), "needs yes no");
    EXPECT_EQ(told_with("unit = php8.2-fpm.service"), "needs yes no");
    EXPECT_EQ(told_with("user www-data"), "needs yes no");
    EXPECT_EQ(told_with("user 33"), "needs yes no");
    EXPECT_EQ(told_with("user 3"), "needs no no");
    EXPECT_EQ(told_with("user ~ 33"), "needs no no");
    // Three values: owners are needed only where the answer hangs on them.
    EXPECT_EQ(told_with("dport 6379 pid 42"), "needs yes no");
    EXPECT_EQ(told_with("dport 6380 pid 42"), "no no no");
    EXPECT_EQ(told_with("pid 42 dport 6380"), "no no no");
    EXPECT_EQ(told_with("dport 6379 or pid 44"), "yes yes yes");
    EXPECT_EQ(told_with("pid 44 or dport 6379"), "yes yes yes");
    EXPECT_EQ(told_with("dport 6380 or pid 42"), "needs yes no");
    EXPECT_EQ(told_with("not ( dport 6380 pid 42 )"), "yes yes yes");
    EXPECT_EQ(told_with("not ( pid 42 or dport 6379 )"), "no no no");
    EXPECT_EQ(told_with("pid 42 or comm x"), "needs yes no");
    EXPECT_EQ(told_with("( pid 44 or pid 45 ) dport 6379"), "needs no no");
    EXPECT_EQ(told_with("state listening pid 42"), "no no no");

    // No descriptor can lead to it: nothing has to be looked for.
    Socket ownerless = socket;
    ownerless.inode = 0;
    EXPECT_EQ(parsed("pid 42").test({.socket = ownerless}), FilterAnswer::no);
    EXPECT_EQ(parsed("pid != 42").test({.socket = ownerless}), FilterAnswer::yes);
    EXPECT_FALSE(parsed("sport 1 or idle > 5").asks_for_owners());
}

}  // namespace
}  // namespace connleak::filter

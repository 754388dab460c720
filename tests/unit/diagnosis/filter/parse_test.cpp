// The grammar of filter expressions, and where wrong ones are wrong.
#include <gtest/gtest.h>

#include "tests/unit/diagnosis/filter/describe.h"

namespace connleak::filter {
namespace {

using Words = std::vector<std::string>;

TEST(FilterParse, Nothing) {
    EXPECT_EQ(describe(Words{}), "");
    EXPECT_EQ(describe(""), "");
    EXPECT_EQ(describe(" \t "), "");
}

TEST(FilterParse, StatesBeforeTheExpression) {
    EXPECT_EQ(describe("state established"), "[2]");
    EXPECT_EQ(describe("state ESTABLISHED state listening"), "[402]");
    EXPECT_EQ(describe("exclude listening"), "[bfe]");
    EXPECT_EQ(describe("excl listening exclude closed"), "[b7e]");
    EXPECT_EQ(describe("state connected exclude established"), "[b7c]");
    EXPECT_EQ(describe("exclude established state established"), "[ffe]");
    EXPECT_EQ(describe("state all"), "[ffe]");
    EXPECT_EQ(describe("state synchronized"), "[b7a]");
    EXPECT_EQ(describe("state bucket"), "[48]");
    EXPECT_EQ(describe("state big"), "[fb6]");
    EXPECT_EQ(describe("state fin_wait_1"), "[10]");  // as the report's JSON has it
    EXPECT_EQ(describe("state established sport = :22 or dport = :22"),
              "[2] (sport=22 or dport=22)");
    for (const auto& [name, bit] : {std::pair{"established", 1},
                                    {"syn-sent", 2},
                                    {"syn-recv", 3},
                                    {"syn-rcv", 3},
                                    {"fin-wait-1", 4},
                                    {"fin-wait-2", 5},
                                    {"time-wait", 6},
                                    {"closed", 7},
                                    {"close", 7},
                                    {"unconnected", 7},
                                    {"close-wait", 8},
                                    {"last-ack", 9},
                                    {"listening", 10},
                                    {"listen", 10},
                                    {"closing", 11}})
        EXPECT_EQ(describe(fmt::format("state {}", name)), fmt::format("[{:x}]", 1 << bit));
}

TEST(FilterParse, StatesInside) {
    EXPECT_EQ(describe("sport = :22 state established"), "(sport=22 and state:2)");
    EXPECT_EQ(describe("( state established state listening )"), "(state:2 and state:400)");
    EXPECT_EQ(describe("not state established"), "not state:2");
    EXPECT_EQ(describe("( exclude established )"), "not state:2");
    EXPECT_EQ(describe("( state != established )"), "not state:2");
    // ss knows no `and` here; what stands before it is then a predicate like any other.
    EXPECT_EQ(describe("state established or state listening"), "(state:2 or state:400)");
    EXPECT_EQ(describe("state established state listening or sport 22"), "(state:402 or sport=22)");
    EXPECT_EQ(describe("state established and sport 22 or dport 22"),
              "((state:2 and sport=22) or dport=22)");
}

// ssfilter.y: one list of operands, joined from left to right; `and` does not bind more tightly
// than `or`, whatever ss(8) says. `not` belongs to what follows it.
TEST(FilterParse, Precedence) {
    EXPECT_EQ(describe("sport 1 or sport 2 and sport 3"), "((sport=1 or sport=2) and sport=3)");
    EXPECT_EQ(describe("sport 1 and sport 2 or sport 3"), "((sport=1 and sport=2) or sport=3)");
    EXPECT_EQ(describe("sport 1 sport 2 or sport 3 sport 4"),
              "(((sport=1 and sport=2) or sport=3) and sport=4)");
    EXPECT_EQ(describe("sport 1 or ( sport 2 and sport 3 )"), "(sport=1 or (sport=2 and sport=3))");
    EXPECT_EQ(describe("not sport 1 or sport 2"), "(not sport=1 or sport=2)");
    EXPECT_EQ(describe("not ( sport 1 or sport 2 )"), "not (sport=1 or sport=2)");
    EXPECT_EQ(describe("not not sport 1"), "sport=1");
    EXPECT_EQ(describe("! ! ! sport 1"), "not sport=1");
    EXPECT_EQ(describe("((sport 1))"), "sport=1");
}

TEST(FilterParse, EveryWayToWriteASign) {
    for (const char* with : {"and", "&", "&&", ""})
        EXPECT_EQ(describe(fmt::format("sport 1 {} dport 2", with)), "(sport=1 and dport=2)");
    for (const char* with : {"or", "|", "||"})
        EXPECT_EQ(describe(fmt::format("sport 1 {} dport 2", with)), "(sport=1 or dport=2)");
    for (const char* with : {"", "=", "==", "eq"})
        EXPECT_EQ(describe(fmt::format("sport {} 1", with)), "sport=1");
    for (const char* with : {"!=", "ne", "neq"})
        EXPECT_EQ(describe(fmt::format("sport {} 1", with)), "not sport=1");
    for (const char* with : {"<", "lt"})
        EXPECT_EQ(describe(fmt::format("dport {} 1", with)), "not dport>=1");
    for (const char* with : {">", "gt"})
        EXPECT_EQ(describe(fmt::format("dport {} 1", with)), "not dport<=1");
    for (const char* with : {"<=", "le", "leq"})
        EXPECT_EQ(describe(fmt::format("dport {} 1", with)), "dport<=1");
    for (const char* with : {">=", "ge", "geq"})
        EXPECT_EQ(describe(fmt::format("dport {} 1", with)), "dport>=1");
    // Blanks are not needed, and a backslash that the shell has left is taken away.
    EXPECT_EQ(describe("(sport=:1|dport>=2)&&!src!=10.0.0.1"),
              "((sport=1 or dport>=2) and src=10.0.0.1/32)");
    EXPECT_EQ(describe(R"(\( sport \> 1 \) \| dport = :2)"), "(not sport<=1 or dport=2)");
    EXPECT_EQ(describe(R"(\(sport\>=1\))"), "sport>=1");
}

TEST(FilterParse, Hosts) {
    EXPECT_EQ(describe("src 10.0.0.1"), "src=10.0.0.1/32");
    EXPECT_EQ(describe("dst = 10.0.0.1:6379"), "(dst=10.0.0.1/32 and dport=6379)");
    EXPECT_EQ(describe("dst != 10.0.0.1:6379"), "not (dst=10.0.0.1/32 and dport=6379)");
    EXPECT_EQ(describe("dst 10.0.0.0/8:6379"), "(dst=10.0.0.0/8 and dport=6379)");
    EXPECT_EQ(describe("dst 10.1.2.3/255.255.0.0"), "dst=10.1.2.3/16");
    EXPECT_EQ(describe("dst 193.233.7/24"), "dst=193.233.7.0/24");
    EXPECT_EQ(describe("dst 10"), "dst=10.0.0.0/32");
    EXPECT_EQ(describe("dst 0x7f.0.0.010"), "dst=127.0.0.8/32");
    EXPECT_EQ(describe("src 0.0.0.0/0"), "src=0.0.0.0/0");
    EXPECT_EQ(describe("dst ::/0"), "dst=::/0");
    EXPECT_EQ(describe("src *"), "everything");
    EXPECT_EQ(describe("src *:*"), "everything");
    EXPECT_EQ(describe("src != *"), "not everything");
    for (const char* any : {"any", "all", "default"})
        EXPECT_EQ(describe(fmt::format("src {}:22", any)), "sport=22");
    EXPECT_EQ(describe("src *:22"), "sport=22");
    EXPECT_EQ(describe("src :22"), "sport=22");
    EXPECT_EQ(describe("src 10.0.0.1:*"), "src=10.0.0.1/32");
    EXPECT_EQ(describe("src [::1]:22"), "(src=::1/128 and sport=22)");
    EXPECT_EQ(describe("src [fe80::/10]:22"), "(src=fe80::/10 and sport=22)");
    EXPECT_EQ(describe("src [fe80::]"), "src=fe80::/128");
    EXPECT_EQ(describe("src fe80::/10"), "src=fe80::/10");
    EXPECT_EQ(describe("src ::ffff:10.0.0.1/120"), "src=::ffff:10.0.0.1/120");
    EXPECT_EQ(describe("src inet:10.0.0.1"), "(inet and src=10.0.0.1/32)");
    EXPECT_EQ(describe("src != inet6:[::1]:22"), "(inet6 and not (src=::1/128 and sport=22))");
    EXPECT_EQ(describe("src inet:*"), "(inet and everything)");
    // Without brackets ss cuts at the last colon; where that gives no address, nothing is cut.
    EXPECT_EQ(describe("src fe80::1:22"), "(src=fe80::1/128 and sport=22)");
    EXPECT_EQ(describe("src ::1"), "src=::1/128");
    EXPECT_EQ(describe("src fe80::1:cafe"), "src=fe80::1:cafe/128");
}

TEST(FilterParse, Names) {
    const FilterNames names{
        .service = [](std::string_view name) -> std::optional<std::uint16_t> {
            if (name == "ssh") return std::uint16_t{22};
            return std::nullopt;
        },
        .host = [](std::string_view name) -> std::vector<Address> {
            if (name != "both") return {};
            return {*Address::parse("10.0.0.1"), *Address::parse("2001:db8::1")};
        }};
    EXPECT_EQ(describe("sport = :ssh", names), "sport=22");
    EXPECT_EQ(describe("sport < ssh", names), "not sport>=22");
    EXPECT_EQ(describe("dst both:ssh", names), "(dst=10.0.0.1/32,2001:db8::1/128 and dport=22)");
    EXPECT_EQ(describe("dst inet6:both", names), "(inet6 and dst=2001:db8::1/128)");
    EXPECT_EQ(describe("dst nobody", names),
              "neither an address nor the name of a host that can be found at 4+6");
    EXPECT_EQ(describe("sport = :http", names),
              "no port; write a number from 0 to 65535 or a service's name at 8+5");
    EXPECT_EQ(describe("sport = :ssh"),
              "no port; write a number from 0 to 65535 or a service's name at 8+4");
}

TEST(FilterParse, Ports) {
    EXPECT_EQ(describe("sport = :22"), "sport=22");
    EXPECT_EQ(describe("sport 0x16"), "sport=22");
    EXPECT_EQ(describe("dport = *"), "everything");
    EXPECT_EQ(describe("dport != :*"), "not everything");
    EXPECT_EQ(describe("sport > inet6:1024"), "(inet6 and not sport<=1024)");
    EXPECT_EQ(describe("autobound and sport 65535"), "(autobound and sport=65535)");
}

TEST(FilterParse, WhatSsLacks) {
    EXPECT_EQ(describe("pid = 42 and pid != 43"), "(pid=42 and not pid=43)");
    EXPECT_EQ(describe("comm redis-server"), "comm='redis-server'");
    EXPECT_EQ(describe("comm != nginx"), "not comm='nginx'");
    EXPECT_EQ(describe("comm ~ php or group !~ shop"), "(comm~'php' or not group~'shop')");
    EXPECT_EQ(describe("unit = redis.service user = www-data"),
              "(unit='redis.service' and user='www-data')");
    EXPECT_EQ(describe("dev = eth0 dev != 3"), "(dev=eth0 and not dev=3#3)");
    EXPECT_EQ(describe("timer = off timer = on timer = probe timer != timewait"),
              "(((timer=off and timer=retransmit) and timer=persist) and not timer=timewait)");
    EXPECT_EQ(describe("keepalive = off or keepalive != masked"),
              "(keepalive=off or not keepalive=masked)");
    EXPECT_EQ(describe("idle > 1h and keepalive = off"), "(idle>=3601 and keepalive=off)");
    EXPECT_EQ(describe("idle < 30 or idle >= 30s"), "(idle<=29 or idle>=30)");
    EXPECT_EQ(describe("idle <= 5m or idle = 2d"), "(idle<=300 or idle=172800)");
    EXPECT_EQ(describe("idle != 5"), "(idle<=4 or idle>=6)");
    EXPECT_EQ(describe("idle = 4294967295d"), "idle=371085174288000") << "beyond what options take";
}

TEST(FilterParse, NamesThatHoldAnything) {
    EXPECT_EQ(describe(R"(comm = "a name" and pid 1)"), "(comm='a name' and pid=1)");
    EXPECT_EQ(describe(R"(comm = 'it\'s' or comm = "\\")"), R"((comm='it's' or comm='\'))");
    EXPECT_EQ(describe(R"(unit = "")"), "unit=''");
    EXPECT_EQ(describe("( comm = (sd-pam) )"), "comm='(sd-pam)'");
    EXPECT_EQ(describe("(comm=(a)(b))"), "comm='(a)(b)'");
    EXPECT_EQ(describe("(comm=a|comm=b)"), "(comm='a' or comm='b')");
    EXPECT_EQ(describe(R"(comm = a\ b\&c)"), "comm='a b&c'");
    EXPECT_EQ(describe("comm = ="), "comm='='");
    EXPECT_EQ(describe("comm = \"and\""), "comm='and'");
    // The shell's own words.
    EXPECT_EQ(describe(Words{"group", "=", "php-fpm: pool shop", "and", "pid", "1"}),
              "(group='php-fpm: pool shop' and pid=1)");
    EXPECT_EQ(describe(Words{"group", "=", "", "and", "pid", "1"}), "(group='' and pid=1)");
    EXPECT_EQ(describe(Words{"group", "=", ""}), "group=''");
    EXPECT_EQ(describe(Words{"group", "php-fpm: pool shop"}), "group='php-fpm: pool shop'");
    EXPECT_EQ(describe(Words{"group = php or", "comm = x"}), "(group='php' or comm='x')");
    EXPECT_EQ(describe(Words{"sport", "", "=", ":22"}), "sport=22");
}

TEST(FilterParse, Errors) {
    const std::string predicates =
        "no predicate; write src, dst, sport, dport, state, exclude, autobound, dev, pid, comm, "
        "group, unit, user, timer, idle or keepalive";
    EXPECT_EQ(describe("sprot = :22"), predicates + " at 0+5");
    EXPECT_EQ(describe(Words{"sport", "=", ":22", "foo"}), predicates + " at 12+3");
    EXPECT_EQ(describe("group = php-fpm: pool"), predicates + " at 17+4");
    EXPECT_EQ(describe("sport"), "a value is missing here at 5+0");
    EXPECT_EQ(describe("sport = and"), "a value is missing here at 8+3");
    EXPECT_EQ(describe("sport = = 22"), "a value is missing here at 8+1");
    EXPECT_EQ(describe("and sport 22"), "a predicate is missing here at 0+3");
    EXPECT_EQ(describe("sport 22 or"), "a predicate is missing here at 11+0");
    EXPECT_EQ(describe("not"), "a predicate is missing here at 3+0");
    EXPECT_EQ(describe("()"), "a predicate is missing here at 1+1");
    EXPECT_EQ(describe("( sport 22"), "this parenthesis is not closed at 0+1");
    EXPECT_EQ(describe("sport 22 )"), "there is no parenthesis that this could close at 9+1");
    EXPECT_EQ(describe("state established )"), "a predicate is missing here at 18+1");
    EXPECT_EQ(describe("src < 10.0.0.1"), "only = and != can stand here at 4+1");
    EXPECT_EQ(describe("sport ~ 22"), "ports are compared with = != < > <= or >= at 6+1");
    EXPECT_EQ(describe("comm > x"), "names are compared with = != ~ (contains) or !~ at 5+1");
    EXPECT_EQ(describe("idle ~ 5"), "durations are compared with = != < > <= or >= at 5+1");
    EXPECT_EQ(describe("sport >= *"), "a port is needed to compare with at 9+1");
    EXPECT_EQ(describe("sport 65536"), "a port is a number from 0 to 65535 at 6+5");
    EXPECT_EQ(describe("sport -1"),
              "no port; write a number from 0 to 65535 or a service's name at 6+2");
    const std::string no_address =
        "no address; write 10.0.0.1, 10.0.0.0/8:6379, [2001:db8::1]:6379, :6379 or *";
    for (const char* wrong : {"10.0.0.0/33", "1.2.3.4.5", "256.1.1.1", "10.", "::/129", "1:2:3",
                              "[10.0.0.1:2]", "10.0.0.0/255.0.255.0"})
        EXPECT_EQ(describe(fmt::format("src {}", wrong)),
                  fmt::format("{} at 4+{}", no_address, std::string_view(wrong).size()));
    EXPECT_EQ(describe("src [::1"), "the bracket is not closed at 4+4");
    EXPECT_EQ(describe("src [::1]/64"), "only :PORT stands behind ] at 4+8");
    EXPECT_EQ(describe("src *22"), "only :PORT stands behind * at 4+3");
    EXPECT_EQ(describe("src inet:[::1]"), "this address is not of the family before it at 4+10");
    EXPECT_EQ(describe("src unix:/tmp/x"),
              "only TCP sockets are shown here; the families are inet and inet6 at 4+11");
    EXPECT_EQ(describe("state astablished"),
              "no state; write established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, "
              "closed, close-wait, last-ack, listening, closing, or all, connected, synchronized, "
              "bucket, big at 6+11");
    EXPECT_EQ(describe("pid redis"), "no process number at 4+5");
    EXPECT_EQ(describe("idle > 4294967296"), "no duration; write 30, 30s, 5m, 2h or 1d at 7+10");
    EXPECT_EQ(describe("idle > soon"), "no duration; write 30, 30s, 5m, 2h or 1d at 7+4");
    EXPECT_EQ(describe("timer = late"),
              "no timer; write off, on, keepalive, timewait, probe or delack at 8+4");
    EXPECT_EQ(describe("keepalive = yes"), "write keepalive = on, off, masked or unknown at 12+3");
    EXPECT_EQ(describe("comm ="), "a value is missing here at 6+0");
    EXPECT_EQ(describe("comm = or pid 1"),
              "a value is missing here; quote the word if it is one at 7+2");
    EXPECT_EQ(describe("comm = 'x"), "this quote is not closed at 7+1");
    EXPECT_EQ(describe("fwmark = 1"),
              "fwmark is not supported: sockets are read without it at 0+6");
    EXPECT_EQ(describe("cgroup = /x"), "cgroup is not supported; unit = NAME is at 0+6");
}

TEST(FilterParse, Bounds) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '(') + "sport 1" + std::string(depth, ')');
    };
    EXPECT_EQ(describe(nested(100)), "sport=1");
    EXPECT_EQ(describe(nested(101)), "parentheses are nested too deeply at 100+1");
    EXPECT_EQ(describe(std::string(60000, '(')), "parentheses are nested too deeply at 100+1");
    EXPECT_EQ(describe(std::string(60001, '!') + "sport 1"), "not sport=1");
    EXPECT_EQ(describe(std::string(65537, ' ')), "the expression is longer than 64 KiB at 0+0");
    // As long as can be, and alternating: no depth comes of it.
    std::string longest = "autobound";
    while (longest.size() < 65500) longest += longest.size() % 2 == 0 ? "|dev x" : "&dev yy";
    const Filter filter = parsed(longest);
    EXPECT_EQ(filter.test({.socket = {}}), FilterAnswer::no);
}

TEST(FilterParse, ErrorsAreShown) {
    const auto show = [](const std::string& text) {
        const auto filter = parse_filter(std::vector{text});
        return show_filter_error(
            text, filter.error(),
            [](std::string_view raw) {
                std::string shown;
                for (const char letter : raw)
                    shown += letter == '\033' ? std::string("\\e") : std::string(1, letter);
                return shown;
            },
            [](std::string_view shown) { return shown.size(); });
    };
    EXPECT_EQ(show("sport = :22 and foo = 1"),
              "sport = :22 and foo = 1\n"
              "                ^^^\n");
    EXPECT_EQ(show("sport ="),
              "sport =\n"
              "       ^\n");
    EXPECT_EQ(show("sport = \033\033 or pid 1"),
              "sport = \\e\\e or pid 1\n"
              "        ^^^^\n");
    EXPECT_EQ(show("sport 1000 and sport 2000 and sport 3000 and sport 4000 and sport 5000 bad and "
                   "sport 6000 and sport 7000 and sport 8000"),
              "...and sport 2000 and sport 3000 and sport 4000 and sport 5000 bad and sport 6000 "
              "and sport 7000 and sport...\n"
              "                                                               ^^^\n");
}

}  // namespace
}  // namespace connleak::filter

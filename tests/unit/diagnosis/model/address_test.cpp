#include "diagnosis/model/address.h"

#include <gtest/gtest.h>

#include <unordered_set>
#include <vector>

namespace connleak {
namespace {

std::string canonical(std::string_view text) {
    const auto address = Address::parse(text);
    return address ? address->text() : "none";
}

std::string canonical_endpoint(std::string_view text) {
    const auto endpoint = Endpoint::parse(text);
    return endpoint ? endpoint->text() : "none";
}

TEST(Address, IsWrittenInOneForm) {
    EXPECT_EQ(canonical("10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(canonical("0.0.0.0"), "0.0.0.0");
    EXPECT_EQ(canonical("255.255.255.255"), "255.255.255.255");
    EXPECT_EQ(canonical("::"), "::");
    EXPECT_EQ(canonical("::1"), "::1");
    EXPECT_EQ(canonical("1::"), "1::");
    EXPECT_EQ(canonical("0:0:0:0:0:0:0:1"), "::1");
    EXPECT_EQ(canonical("2001:0DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
    EXPECT_EQ(canonical("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
    EXPECT_EQ(canonical("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
    EXPECT_EQ(canonical("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
    EXPECT_EQ(canonical("::2:3:4:5:6:7:8"), "0:2:3:4:5:6:7:8");
    EXPECT_EQ(canonical("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
    EXPECT_EQ(canonical("fe80::1"), "fe80::1");
}

TEST(Address, MappedBecomesIPv4) {
    EXPECT_EQ(canonical("::ffff:10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(canonical("::FFFF:a00:1"), "10.0.0.1");
    EXPECT_EQ(canonical("0:0:0:0:0:ffff:10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(Address::parse("::ffff:10.0.0.1"), Address::parse("10.0.0.1"));
    EXPECT_EQ(Address::parse("::ffff:0.0.0.0")->family(), Family::ipv4);
    EXPECT_NE(Address::parse("::"), Address::parse("0.0.0.0"));
}

TEST(Address, RefusesWhatIsNone) {
    for (const char* text : {"",
                             ".",
                             ":",
                             ":::",
                             "1",
                             "1.2.3",
                             "1.2.3.4.5",
                             "1.2.3.256",
                             "01.2.3.4",
                             "1.2.3.4 ",
                             " 1.2.3.4",
                             "1..3.4",
                             "1.2.3.",
                             "-1.2.3.4",
                             "+1.2.3.4",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "1::2::3",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "12345::",
                             "g::",
                             "fe80::1%eth0",
                             "[::1]",
                             "::1.2.3",
                             "1.2.3.4::",
                             "::1.2.3.4:5",
                             "1:",
                             ":1",
                             "::1:",
                             "1:2:3:4:5:6:7:1.2.3.4",
                             "0x1::"})
        EXPECT_EQ(canonical(text), "none") << text;
}

TEST(Address, FromBytes) {
    const std::vector<std::uint8_t> four = {10, 0, 0, 1};
    EXPECT_EQ(Address::from_bytes(four).text(), "10.0.0.1");
    EXPECT_EQ(Address::from_bytes(four).bytes().size(), 4U);
    std::vector<std::uint8_t> sixteen(16);
    EXPECT_EQ(Address::from_bytes(sixteen).text(), "::");
    EXPECT_EQ(Address::from_bytes(sixteen).bytes().size(), 16U);
    for (const std::size_t size : {0U, 1U, 3U, 5U, 15U, 17U}) {
        const std::vector<std::uint8_t> other(size, 1);
        EXPECT_EQ(Address::from_bytes(other), Address());
    }
    EXPECT_EQ(Address().text(), "");
    EXPECT_TRUE(Address().bytes().empty());
}

TEST(Address, Kinds) {
    EXPECT_TRUE(Address::parse("127.0.0.53")->is_loopback());
    EXPECT_TRUE(Address::parse("::1")->is_loopback());
    EXPECT_TRUE(Address::parse("::ffff:127.0.0.1")->is_loopback());
    EXPECT_FALSE(Address::parse("128.0.0.1")->is_loopback());
    EXPECT_FALSE(Address::parse("::2")->is_loopback());
    EXPECT_FALSE(Address::parse("1::1")->is_loopback());
    EXPECT_FALSE(Address().is_loopback());
    EXPECT_TRUE(Address::parse("0.0.0.0")->is_unspecified());
    EXPECT_TRUE(Address::parse("::")->is_unspecified());
    EXPECT_TRUE(Address().is_unspecified());
    EXPECT_FALSE(Address::parse("::1")->is_unspecified());
    EXPECT_TRUE(Address::parse("fe80::1")->is_link_local());
    EXPECT_TRUE(Address::parse("febf::1")->is_link_local());
    EXPECT_FALSE(Address::parse("fec0::1")->is_link_local());
    EXPECT_FALSE(Address::parse("169.254.0.1")->is_link_local());
}

TEST(Endpoint, RoundTrip) {
    EXPECT_EQ(canonical_endpoint("10.0.0.1:6379"), "10.0.0.1:6379");
    EXPECT_EQ(canonical_endpoint("[2001:DB8::1]:6379"), "[2001:db8::1]:6379");
    EXPECT_EQ(canonical_endpoint("[fe80::1%eth0]:80"), "[fe80::1]:80");
    EXPECT_EQ(canonical_endpoint("[::ffff:10.0.0.1]:65535"), "10.0.0.1:65535");
    EXPECT_EQ(canonical_endpoint("0.0.0.0:0"), "0.0.0.0:0");
    EXPECT_EQ(Endpoint().text(), ":0");
    for (const char* text :
         {"", ":", ":80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:080",
          "?:0", "::1:6379", "[::1]", "[::1]6379", "[]:1", "[10.0.0.1]:1", "[%eth0]:1",
          "/run/redis.sock:0", "10.0.0.1:6379 ", "localhost:6379"})
        EXPECT_EQ(canonical_endpoint(text), "none") << text;
}

TEST(Tuple, MirrorAndHash) {
    const Tuple tuple{*Endpoint::parse("10.0.0.1:6379"), *Endpoint::parse("10.0.0.2:40000")};
    EXPECT_EQ(tuple.mirrored().mirrored(), tuple);
    EXPECT_NE(tuple.mirrored(), tuple);
    EXPECT_NE(std::hash<Tuple>()(tuple), std::hash<Tuple>()(tuple.mirrored()));

    // Neighbouring ports and addresses, as real tables hold them, must not share hashes.
    std::unordered_set<std::size_t> hashes;
    for (std::uint8_t host = 0; host < 16; ++host) {
        const std::array<std::uint8_t, 4> bytes = {10, 0, 0, host};
        for (std::uint16_t port = 32768; port < 32768 + 1000; ++port)
            hashes.insert(std::hash<Tuple>()({tuple.local, {Address::from_bytes(bytes), port}}));
    }
    EXPECT_EQ(hashes.size(), 16000U);
}

}  // namespace
}  // namespace connleak

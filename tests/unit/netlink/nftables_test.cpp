// What of a ruleset bears on addresses, and what takes packets out of connection tracking.
#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <string>
#include <string_view>

#include "diagnosis/model/report.h"
#include "netlink/network/nftables.h"
#include "tests/unit/netlink/bytes.h"

namespace connleak::netlink {
namespace {

using namespace bytes;

Buffer expression(std::string_view name, const Buffer& data = {}) {
    return attribute(NFTA_LIST_ELEM, joined({attribute(NFTA_EXPR_NAME, text_bytes(name)),
                                             attribute(NFTA_EXPR_DATA, data)}));
}

std::string in_rule(std::initializer_list<Buffer> expressions) {
    const nfgenmsg header{.nfgen_family = NFPROTO_IPV4, .version = 0, .res_id = 0};
    const Buffer rule = joined({as_bytes(header), attribute(NFTA_RULE_TABLE, text_bytes("nat")),
                                attribute(NFTA_RULE_CHAIN, text_bytes("POSTROUTING")),
                                attribute(NFTA_RULE_EXPRESSIONS, joined(expressions))});
    for (std::size_t size = 0; size < rule.size(); ++size)  // cut off anywhere, without a crash
        (void)look_at_rule(Bytes(rule).first(size));
    const RuleFinding found = look_at_rule(rule);
    std::string text = found.name.empty() ? "" : found.name.substr(found.name.find('('));
    if (found.translation != Translation::none)
        text += ' ' + std::string(to_string(found.translation));
    return found.evades_tracking ? text + " evades" : text;
}

Buffer target(std::string_view name) {
    return expression("target", attribute(NFTA_TARGET_NAME, text_bytes(name)));
}

TEST(NftablesDecoder, FindsWhatTranslates) {
    const Buffer harmless =
        joined({expression("meta"), expression("cmp"), expression("counter"),
                expression("payload", attribute(NFTA_PAYLOAD_DREG, as_bytes(1U)))});
    EXPECT_EQ(in_rule({harmless, expression("immediate")}), "");
    for (const std::string name : {"nat", "masq", "redir"})
        EXPECT_EQ(in_rule({harmless, expression(name)}), '(' + name + ") tracked");
    for (const std::string name : {"tproxy", "fwd", "synproxy", "queue"})
        EXPECT_EQ(in_rule({harmless, expression(name)}), '(' + name + ") possible");
    EXPECT_EQ(in_rule({expression("payload", attribute(NFTA_PAYLOAD_SREG, as_bytes(1U)))}),
              "(payload write) possible");
    EXPECT_EQ(in_rule({expression("objref", attribute(NFTA_OBJREF_IMM_TYPE, {0, 0, 0, 1}))}), "");
    EXPECT_EQ(in_rule({expression("objref", attribute(NFTA_OBJREF_IMM_TYPE, {0, 0, 0, 9}))}),
              "(synproxy) possible");
    EXPECT_EQ(in_rule({}), "");
    // The worst of a rule.
    EXPECT_EQ(in_rule({expression("masq"), expression("fwd")}), "(fwd) possible");
    EXPECT_EQ(in_rule({expression("fwd"), expression("masq")}), "(fwd) possible");
    const nfgenmsg header{.nfgen_family = NFPROTO_INET, .version = 0, .res_id = 0};
    const Buffer rule = joined({as_bytes(header), attribute(NFTA_RULE_TABLE, text_bytes("shop")),
                                attribute(NFTA_RULE_CHAIN, text_bytes("out")),
                                attribute(NFTA_RULE_EXPRESSIONS, expression("masq"))});
    EXPECT_EQ(look_at_rule(rule).name, "nft chain inet shop out (masq)");
}

TEST(NftablesDecoder, FindsWhatEvadesConnectionTracking) {
    const auto ct = [](std::uint8_t key, bool writes) {
        return expression("ct",
                          joined({attribute(NFTA_CT_KEY, {0, 0, 0, key}),
                                  attribute(writes ? NFTA_CT_SREG : NFTA_CT_DREG, as_bytes(1U))}));
    };
    EXPECT_EQ(in_rule({expression("notrack")}), "(notrack) evades");
    EXPECT_EQ(in_rule({ct(NFT_CT_ZONE, true)}), "(ct zone) evades");
    EXPECT_EQ(in_rule({ct(NFT_CT_ZONE, false)}), "");
    EXPECT_EQ(in_rule({ct(NFT_CT_MARK, true)}), "");
    EXPECT_EQ(in_rule({expression("notrack"), expression("masq")}), "(masq) tracked evades");
}

TEST(NftablesDecoder, IptablesTargets) {
    for (const char* name : {"LOG", "MARK", "TCPMSS", "REJECT"})
        EXPECT_EQ(in_rule({target(name)}), "");
    for (const std::string name : {"CT", "NOTRACK"})
        EXPECT_EQ(in_rule({target(name)}), '(' + name + ") evades");
    for (const std::string name : {"MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP"})
        EXPECT_EQ(in_rule({target(name)}), '(' + name + ") tracked");
    for (const std::string name : {"TPROXY", "SNPT", "NFQUEUE", "SOMETHING-NEW"})
        EXPECT_EQ(in_rule({target(name)}), '(' + name + ") possible");
}

}  // namespace
}  // namespace connleak::netlink

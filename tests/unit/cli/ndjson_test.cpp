// The report as lines: the same objects as the document's, each told apart and told from where.
#include "cli/report/ndjson.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/worlds/json_text.h"
#include "tests/unit/worlds/reports.h"

namespace connleak::render {
namespace {

using nlohmann::json;
using test::Made;
using test::World;

RunFacts made_head() {
    RunFacts made;
    made.generated_at_s = 1795214155;  // 2026-11-20T22:35:55Z
    made.host_name = "db1";
    made.kernel = "6.18";
    return made;
}

const RunFacts head = made_head();

std::string text_of(const Sample& sample, const Report& report) {
    std::string text;
    to_ndjson(head, sample, report, [&](std::string_view piece) {
        text += piece;
        return true;
    });
    return text;
}

std::vector<json> lines_of(const std::string& text) {
    std::vector<json> lines;
    std::istringstream all(text);
    for (std::string line; std::getline(all, line);) lines.push_back(json::parse(line));
    return lines;
}

TEST(Ndjson, TheObjectsOfTheDocument) {
    for (const auto make :
         {test::story, test::each_verdict, test::client_host, test::gaps, test::hostile}) {
        Made world(make);
        const Report report = world.report();
        const json document = json::parse(test::json_of(head, world.sample, report));
        std::map<std::string, json> lists;
        std::vector<json> lines = lines_of(text_of(world.sample, report));
        ASSERT_FALSE(lines.empty());
        const json summary = lines.back();
        lines.pop_back();
        for (json& line : lines) {
            EXPECT_EQ(line["host"], document["host"]);
            EXPECT_EQ(line["generated_at"], document["generated_at"]);
            const std::string type = line["type"];
            for (const char* added : {"type", "host", "generated_at"}) line.erase(added);
            lists[type].push_back(line);
        }
        for (const auto& [type, list] :
             std::map<std::string, std::string>{{"server", "servers"},
                                                {"connection", "connections"},
                                                {"process", "processes"},
                                                {"group", "groups"},
                                                {"finding", "findings"},
                                                {"gap", "gaps"}}) {
            EXPECT_EQ(lists[type].is_null() ? json::array() : lists[type], document[list]) << type;
            EXPECT_EQ(summary["totals"][list], document[list].size()) << type;
        }
        for (const char* same :
             {"schema_version", "generator", "host", "generated_at", "complete", "cost"})
            EXPECT_EQ(summary[same], document[same]) << same;
    }
}

TEST(Ndjson, TheSummaryIsLast) {
    World world;
    const std::string text = text_of(world.sample, world.report());
    EXPECT_EQ(text,
              R"({"type":"summary","host":{"name":"db1","kernel":"6.18","boot_id":null},)"
              R"("generated_at":"2026-11-20T22:35:55Z","schema_version":2,)"
              R"("generator":{"name":"connleak","version":")" CONNLEAK_VERSION
              R"("},"complete":true,"cost":{"wall_ms":0.0,"sockets_read":0,"processes_read":0,)"
              R"("redis_ms":0.0},"totals":{"servers":0,"connections":0,"processes":0,"groups":0,)"
              R"("findings":0,"gaps":0}})"
              "\n");
}

TEST(Ndjson, OneLineEachWhateverTheNames) {
    Made world(test::hostile);
    const Report report = world.report();
    const std::string text = text_of(world.sample, report);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(text, '\n')),
              world.sample.servers.size() + report.connections.size() + report.holders.size() +
                  report.groups.size() + report.findings.size() + world.sample.gaps.size() + 1);
    EXPECT_TRUE(text.ends_with('\n'));
}

TEST(Ndjson, EndsWhenNobodyWantsMore) {
    Made world(test::story);
    const Report report = world.report();
    int pieces = 0;
    std::size_t bytes = 0;
    to_ndjson(head, world.sample, report, [&](std::string_view piece) {
        ++pieces;
        bytes += piece.size();
        return false;
    });
    EXPECT_EQ(pieces, 1);
    EXPECT_LT(bytes, text_of(world.sample, report).size() / 2);
}

}  // namespace
}  // namespace connleak::render

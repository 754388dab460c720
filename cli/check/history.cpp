#include "cli/check/history.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace connleak::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kind = "connleak-check-state";
constexpr int schema_version = 2;
constexpr std::size_t longest_name = 1024;
// The year 5138; above it, sums of times could overflow.
constexpr std::int64_t latest_s = 100'000'000'000;
constexpr std::uint64_t greatest_count = std::uint64_t{1} << 40U;
constexpr std::size_t most_runs = recent_runs + hourly_runs;

// Thrown and caught in this file: the exit from nested decoding.
struct Wrong {
    const char* why;
};

const Json& member(const Json& object, const char* name) {
    if (!object.is_object() || !object.contains(name)) throw Wrong{"a member is missing"};
    return object.at(name);
}

const Json& list(const Json& object, const char* name, std::size_t most) {
    const Json& found = member(object, name);
    if (!found.is_array() || found.size() > most) throw Wrong{"a list is none, or too long"};
    return found;
}

std::uint64_t number(const Json& value, std::uint64_t most) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
        throw Wrong{"a number is none, or too large"};
    return value.get<std::uint64_t>();
}

std::string name(const Json& value) {
    if (!value.is_string()) throw Wrong{"a name is none"};
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > longest_name) throw Wrong{"a name is too long"};
    return text;
}

History decode(const Json& document) {
    if (!document.is_object() || !document.contains("kind") || document.at("kind") != kind)
        throw Wrong{"it is no state of connleak check"};
    // Version 1 has the same members.
    const Json& version = member(document, "schema_version");
    if (version != schema_version && version != 1)
        throw Wrong{"it is of another version of connleak"};
    History history;
    for (const Json& run : list(document, "runs", most_runs)) {
        CountedRun made;
        made.at_s = static_cast<std::int64_t>(
            number(member(run, "at_s"), static_cast<std::uint64_t>(latest_s)));
        made.floor = number(member(run, "floor"), greatest_count);
        history.push_back(std::move(made));
    }
    for (const Json& group : list(document, "groups", most_runs * most_groups)) {
        const GroupKey key{name(member(group, "server")), name(member(group, "group"))};
        const Json& counts = list(group, "connections", most_runs);
        if (counts.size() != history.size()) throw Wrong{"a group's counts are not of these runs"};
        for (std::size_t at = 0; at < counts.size(); ++at) {
            if (counts[at].is_null()) continue;
            if (history[at].counts.size() == most_groups) throw Wrong{"a run has too many groups"};
            history[at].counts[key] = number(counts[at], greatest_count);
        }
    }
    return history;
}

}  // namespace

std::string encode_history(const History& history) {
    Json runs = Json::array();
    std::map<GroupKey, std::vector<Json>> groups;
    for (std::size_t at = 0; at < history.size(); ++at) {
        const CountedRun& run = history[at];
        runs.push_back({{"at_s", std::clamp<std::int64_t>(run.at_s, 0, latest_s)},
                        {"floor", std::min(run.floor, greatest_count)}});
        for (const auto& [key, count] : run.counts) {
            auto& counts = groups[key];
            counts.resize(history.size());
            counts[at] = std::min(count, greatest_count);
        }
    }
    Json rows = Json::array();
    for (const auto& [key, counts] : groups)
        rows.push_back({{"server", key.server}, {"group", key.group}, {"connections", counts}});
    const Json document{{"kind", kind},
                        {"schema_version", schema_version},
                        {"runs", std::move(runs)},
                        {"groups", std::move(rows)}};
    return document.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::expected<History, std::string> decode_history(std::string_view text) {
    if (text.empty()) return History{};
    if (text.size() > largest_state) return std::unexpected(std::string("it is too large"));
    try {
        // Our document has four levels: deeper values are not parsed.
        const auto shallow = [](int depth, Json::parse_event_t, Json&) {
            if (depth > 5) throw Wrong{"it is no state of connleak check"};
            return true;
        };
        const Json document = Json::parse(text.begin(), text.end(), shallow, false);
        if (document.is_discarded()) throw Wrong{"it is no JSON"};
        return decode(document);
    } catch (const Wrong& wrong) {
        return std::unexpected(std::string(wrong.why));
    } catch (const std::exception&) {
        return std::unexpected(std::string("it is no JSON"));
    }
}

}  // namespace connleak::cli

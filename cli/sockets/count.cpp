#include "cli/sockets/count.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "cli/sockets/facts.h"
#include "diagnosis/connections/verdict.h"

namespace connleak::cli {

namespace {

using render::SocketRow;
using render::SocketsView;

constexpr std::array<std::string_view, 8> key_names{"group", "process", "state",     "peer",
                                                    "local", "unit",    "container", "user"};

std::string unix_end(const netlink::UnixSocket* socket) {
    return socket != nullptr ? render::unix_name(*socket) : std::string();
}

// The port of the connecting end differs each time, and would make every connection a separate key.
std::string end_value(const SocketRow& row, const SocketsView& view, bool local) {
    if (row.unix_socket != nullptr)
        return unix_end(local ? row.unix_socket : render::unix_peer(row, view));
    const Tuple& tuple = row.socket->tuple;
    const Endpoint& end = local ? tuple.local : tuple.remote;
    const bool serves = view.listening.contains({row.socket->netns, tuple.local.port});
    return serves == local ? end.text() : end.address.text();
}

std::string value(const SocketRow& row, const SocketsView& view, CountKey key) {
    if (key == CountKey::state) return std::string(to_string(row.socket->state));
    if (key == CountKey::peer) return end_value(row, view, false);
    if (key == CountKey::local) return end_value(row, view, true);
    const Process* holder = render::holder_of(row, view.processes);
    if (holder == nullptr) return "";
    switch (key) {
        case CountKey::group:
            return holder->group;
        case CountKey::process:
            return std::to_string(holder->pid) + '/' + holder->comm;
        case CountKey::unit:
            return holder->unit;
        case CountKey::container:
            return holder->container;
        case CountKey::user:
            return holder->user;
        case CountKey::state:
        case CountKey::peer:
        case CountKey::local:
            break;
    }
    return "";
}

}  // namespace

std::span<const std::string_view> count_key_names() {
    return key_names;
}

std::string_view to_string(CountKey key) {
    return key_names[static_cast<std::size_t>(key)];
}

std::optional<CountKey> parse_count_key(std::string_view text) {
    const auto found = std::ranges::find(key_names, text);
    if (found == key_names.end()) return std::nullopt;
    return static_cast<CountKey>(found - key_names.begin());
}

bool needs_owners(CountKey key) {
    return key != CountKey::state && key != CountKey::peer && key != CountKey::local;
}

std::vector<Count> count_sockets(std::span<const SocketRow> rows, const SocketsView& view,
                                 std::span<const CountKey> keys, std::int64_t persistent_after_s) {
    std::vector<Count> counts;
    std::unordered_map<std::string, std::size_t>
        places;  // index by values, each prefixed by its length
    for (const SocketRow& row : rows) {
        std::vector<std::string> values;
        std::string joined;
        for (const CountKey key : keys) {
            values.push_back(value(row, view, key));
            joined += std::to_string(values.back().size()) + ':' + values.back();
        }
        const auto [place, first] = places.try_emplace(std::move(joined), counts.size());
        if (first) counts.push_back({.values = std::move(values), .oldest_s = std::nullopt});
        Count& count = counts[place->second];
        ++count.sockets;
        const auto age_ms = least_age_ms(*row.socket);
        if (!age_ms) continue;
        const std::int64_t age = *age_ms / 1000;
        count.oldest_s = std::max(count.oldest_s.value_or(0), age);
        const bool established = row.socket->state == State::established;
        count.persistent += established && age >= persistent_after_s ? 1U : 0U;
    }
    std::ranges::sort(counts, [](const Count& one, const Count& other) {
        if (one.sockets != other.sockets) return one.sockets > other.sockets;
        return one.values < other.values;
    });
    return counts;
}

}  // namespace connleak::cli

// `--count-by`: sockets counted by what they have in common, as `ss | awk | sort | uniq -c` would.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sockets/columns.h"

namespace connleak::cli {

enum class CountKey : std::uint8_t { group, process, state, peer, local, unit, container, user };

std::span<const std::string_view> count_key_names();
std::string_view to_string(CountKey key);
std::optional<CountKey> parse_count_key(std::string_view text);
bool needs_owners(CountKey key);

struct Count {
    // One for each key, raw bytes; "" for none. A state as the report's JSON names it. Of the two
    // ends of a connection the one that serves has its port, the other is an address alone.
    std::vector<std::string> values;
    std::uint64_t sockets = 0;
    std::uint64_t persistent = 0;
    std::optional<std::int64_t> oldest_s;
    friend bool operator==(const Count&, const Count&) = default;
};

// The most numerous first. A socket that several processes hold counts once. The sockets need
// tcp_info for what is persistent and how old, and view.listening for `peer` and `local`.
std::vector<Count> count_sockets(std::span<const render::SocketRow> rows,
                                 const render::SocketsView& view, std::span<const CountKey> keys,
                                 std::int64_t persistent_after_s);

}  // namespace connleak::cli

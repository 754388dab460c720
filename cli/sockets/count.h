// `--count-by`: counts sockets by common values, as `ss | awk | sort | uniq -c` would.
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
    // One for each key, raw bytes; "" for none. A state has its name from the report's JSON. The
    // serving end of a connection is shown with its port, the other end as an address only.
    std::vector<std::string> values;
    std::uint64_t sockets = 0;
    std::uint64_t persistent = 0;
    std::optional<std::int64_t> oldest_s;
    friend bool operator==(const Count&, const Count&) = default;
};

// Largest counts first. A socket with several owners counts once. The sockets must have tcp_info
// for persistence and age; `peer` and `local` need view.listening.
std::vector<Count> count_sockets(std::span<const render::SocketRow> rows,
                                 const render::SocketsView& view, std::span<const CountKey> keys,
                                 std::int64_t persistent_after_s);

}  // namespace connleak::cli

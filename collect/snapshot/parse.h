// Parses a snapshot document from an untrusted source into records. It is read in one pass and
// never stored: of a hundred thousand sockets only the ones that this run asks for are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::collect {

struct ParsedSnapshot {
    std::string host_name;
    std::string boot_id;
    std::int64_t taken_at_ms = 0;  // since the epoch
    std::optional<std::int64_t> boottime_ms;
    std::optional<bool> synchronized;  // as reported by the host
    bool restricted = false;           // to some ports
    std::vector<Namespace> namespaces;
    std::vector<TrackedConnection> translations;  // of wanted connections
    // The wanted sockets, and those that a translator maps to a wanted one.
    std::vector<Socket> sockets;
    Processes processes;  // the owners of these sockets
};

// Fills the buffer from its start and returns the number of bytes; 0 at the end.
using ReadBytes = std::function<std::size_t(std::span<char>)>;
using WantSocket = std::function<bool(const Tuple&)>;

// The error is a phrase to follow the file's name: "is no snapshot", "is cut off". Depth, text
// lengths and item counts are bounded; `read` must bound the total size.
std::expected<ParsedSnapshot, std::string> parse_snapshot(const ReadBytes& read,
                                                          const WantSocket& want);

// "2026-11-20T22:35:55.250Z", or with a UTC offset: milliseconds since the epoch.
std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text);

}  // namespace connleak::collect

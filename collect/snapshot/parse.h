// A snapshot's document, as bytes from anywhere, to records. It is read in one pass and never kept:
// of a hundred thousand sockets only those that this run asks for are.
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
    std::optional<bool> synchronized;  // what the host says of its clock
    bool restricted = false;           // to some ports
    std::vector<Namespace> namespaces;
    std::vector<TrackedConnection> translations;  // of connections that were wanted
    // Those that were wanted, and those that a translator makes into one.
    std::vector<Socket> sockets;
    Processes processes;  // the holders of these
};

// Fills the front of the buffer and returns how much; 0 at the end.
using ReadBytes = std::function<std::size_t(std::span<char>)>;
using WantSocket = std::function<bool(const Tuple&)>;

// What is wrong, as a phrase behind the file's name: "is no snapshot", "is cut off". Depth, lengths
// of texts and numbers of things are bounded; how many bytes there are is for `read` to bound.
std::expected<ParsedSnapshot, std::string> parse_snapshot(const ReadBytes& read,
                                                          const WantSocket& want);

// "2026-11-20T22:35:55.250Z", also with an offset: milliseconds since the epoch.
std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text);

}  // namespace connleak::collect

// The columns of `connleak sockets`, in one table that is used by -o, --sort, --help and the
// output.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cli/render/text.h"
#include "diagnosis/model/records.h"
#include "netlink/sockets/unix_diag.h"

namespace connleak::render {

// One line of the table.
struct SocketRow {
    const Socket* socket = nullptr;  // for a Unix socket, the fields it shares with TCP
    const netlink::UnixSocket* unix_socket = nullptr;  // nullptr for TCP
};

enum class TimerStyle : std::uint8_t { netstat, ss };

// Context of the sockets, for all columns.
struct SocketsView {
    explicit SocketsView(const Processes& owners) : processes(owners) {}

    const Processes& processes;
    TimerStyle timer = TimerStyle::netstat;
    std::map<NetnsId, std::string> namespaces;  // only named ones
    std::map<std::pair<NetnsId, std::uint32_t>, std::string> devices;
    std::map<std::uint64_t, std::string> cgroups;                                // paths by id
    std::unordered_map<std::uint32_t, const netlink::UnixSocket*> unix_sockets;  // by inode
    std::unordered_map<std::uint32_t, const netlink::UnixSocket*>
        unix_listeners;  // by the inode of a client's end that is not accepted yet
    std::set<std::pair<NetnsId, std::uint16_t>> listening;  // listening ports, if requested
    std::unordered_map<Address, std::string> hosts;         // with --resolve
    std::unordered_map<std::uint16_t, std::string> services;
};

enum class Need : std::uint8_t { nothing, owners, info, memory };

struct Column {
    std::string_view name;  // the heading; -o and --sort ignore its case
    Grid::Align align;
    Need need;
    std::string_view json;  // the member's name in the JSON output; "" for none
    std::string_view description;
    // Appends printable text; nothing if the fact is absent.
    void (*text)(const SocketRow& row, const SocketsView& view, std::string& out);
    // The sort key; nullptr: sorted by text. Absent facts come last.
    std::optional<std::uint64_t> (*number)(const SocketRow& row, const SocketsView& view);
    // The sort key where neither text nor number gives the order: appends comparable bytes.
    void (*order)(const SocketRow& row, const SocketsView& view, std::string& out);
    std::string_view absent = "-";  // shown if the text is empty
};

std::span<const Column> all_columns();
// Ignores case and accepts "owner" for OWNERS; nullptr if there is no such column.
const Column* find_column(std::string_view name);

}  // namespace connleak::render

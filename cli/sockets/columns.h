// The columns of `connleak sockets`, in one table that drives -o, --sort, --help and the output.
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
    const Socket* socket = nullptr;                    // of a Unix socket what it shares with TCP
    const netlink::UnixSocket* unix_socket = nullptr;  // nullptr for TCP
};

enum class TimerStyle : std::uint8_t { netstat, ss };

// What is known around the sockets, for all columns.
struct SocketsView {
    explicit SocketsView(const Processes& owners) : processes(owners) {}

    const Processes& processes;
    TimerStyle timer = TimerStyle::netstat;
    std::map<NetnsId, std::string> namespaces;  // those that have a name
    std::map<std::pair<NetnsId, std::uint32_t>, std::string> devices;
    std::map<std::uint64_t, std::string> cgroups;                                // paths by id
    std::unordered_map<std::uint32_t, const netlink::UnixSocket*> unix_sockets;  // by inode
    std::unordered_map<std::uint32_t, const netlink::UnixSocket*>
        unix_listeners;  // by the inode of an end that they have not accepted yet
    std::set<std::pair<NetnsId, std::uint16_t>> listening;  // ports, where they are asked for
    std::unordered_map<Address, std::string> hosts;         // with --resolve
    std::unordered_map<std::uint16_t, std::string> services;
};

enum class Need : std::uint8_t { nothing, owners, info, memory };

struct Column {
    std::string_view name;  // the heading; taken in any case by -o and --sort
    Grid::Align align;
    Need need;
    std::string_view json;  // the member of a socket in the JSON output; "" for none
    std::string_view description;
    // Appends printable text; nothing when the fact is absent.
    void (*text)(const SocketRow& row, const SocketsView& view, std::string& out);
    // For --sort; nullptr where the text decides. Absent facts come last.
    std::optional<std::uint64_t> (*number)(const SocketRow& row, const SocketsView& view);
    // For --sort where neither text nor number has the order: appends bytes that compare.
    void (*order)(const SocketRow& row, const SocketsView& view, std::string& out);
    std::string_view absent = "-";  // what stands where there is no text
};

std::span<const Column> all_columns();
// In any case, "owner" for OWNERS; nullptr when there is none.
const Column* find_column(std::string_view name);

}  // namespace connleak::render

#include "cli/sockets/text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <string_view>

#include "cli/sockets/facts.h"
#include "diagnosis/model/printable.h"

namespace connleak::render {

void append_number(std::string& out, std::uint64_t value, int base) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    out.append(digits.data(), end);
}

namespace {

void append_endpoint(const Endpoint& end, const SocketsView& view, std::string& out) {
    if (const auto host = view.hosts.find(end.address); host != view.hosts.end()) {
        out += host->second;
    } else {
        const bool brackets = end.address.family() == Family::ipv6;
        if (brackets) out += '[';
        out += end.address.text();
        if (brackets) out += ']';
    }
    out += ':';
    if (end.port == 0) {
        out += '*';
    } else if (const auto service = view.services.find(end.port); service != view.services.end()) {
        out += service->second;
    } else {
        append_number(out, end.port);
    }
}

}  // namespace

void append_end(const SocketRow& row, const SocketsView& view, bool local, std::string& out) {
    if (row.unix_socket == nullptr) {
        const Tuple& tuple = row.socket->tuple;
        return append_endpoint(local ? tuple.local : tuple.remote, view, out);
    }
    const netlink::UnixSocket* socket = local ? row.unix_socket : unix_peer(row, view);
    const std::string name = socket != nullptr ? unix_name(*socket) : std::string();
    out += name.empty() ? std::string("*") : printable(name);
}

void append_end_order(const SocketRow& row, const SocketsView& view, bool local, std::string& out) {
    if (row.unix_socket != nullptr) return append_end(row, view, local, out);
    const Endpoint& end = local ? row.socket->tuple.local : row.socket->tuple.remote;
    out += static_cast<char>(end.address.family());
    for (const std::uint8_t byte : end.address.bytes()) out += static_cast<char>(byte);
    out += static_cast<char>(end.port >> 8U);
    out += static_cast<char>(end.port & 0xffU);
}

void append_processes(std::span<const Process* const> processes, std::string& out) {
    if (processes.empty()) return;
    append_number(out, static_cast<std::uint64_t>(processes.front()->pid));
    out += '/';
    out += printable(processes.front()->comm);
    if (processes.size() == 1) return;
    out += " +";
    append_number(out, processes.size() - 1);
}

void append_owners(const SocketRow& row, const Processes& processes, std::string& out) {
    const auto owners = processes.owners.find(row.socket->inode);
    if (row.socket->inode == 0 || owners == processes.owners.end()) return;
    bool first = true;
    for (const Owner& owner : owners->second) {
        if (!first) out += ',';
        first = false;
        out += "(\"";
        const auto process = processes.by_pid.find(owner.pid);
        if (process != processes.by_pid.end()) {
            // A quotation mark in a name must not look like the closing one.
            for (const char each : printable(process->second.comm)) {
                if (each == '"' || each == '\\') out += '\\';
                out += each;
            }
        }
        out += "\",pid=";
        append_number(out, static_cast<std::uint64_t>(owner.pid));
        out += ",fd=";
        append_number(out, static_cast<std::uint64_t>(owner.fd));
        out += ')';
    }
}

namespace {

// After the time netstat shows two counts: retransmissions and probes. The kernel reports the one
// that belongs to the timer; tcp_info always has the probes.
void append_as_netstat(const Socket& socket, std::string& out) {
    constexpr std::array<std::string_view, 6> names{"off",      "on",    "keepalive",
                                                    "timewait", "probe", "delack"};
    const Timer& timer = socket.timer;
    const bool probing = timer.kind == TimerKind::keepalive || timer.kind == TimerKind::persist;
    const std::uint32_t retransmits = probing ? 0 : timer.retransmits;
    const std::uint32_t probes = probing       ? timer.retransmits
                                 : socket.info ? socket.info->probes
                                               : 0U;
    fmt::format_to(std::back_inserter(out), "{} ({}.{:02}/{}/{})",
                   names[static_cast<std::size_t>(timer.kind)], timer.expires_ms / 1000,
                   timer.expires_ms % 1000 / 10, retransmits, probes);
}

// Minutes and seconds, the seconds up to nine minutes; milliseconds below ten seconds.
void append_ss_time(std::uint32_t ms, std::string& out) {
    const std::uint32_t minutes = ms / 60'000;
    const std::uint32_t seconds = minutes > 9 ? 0 : ms / 1000 % 60;
    const std::uint32_t rest = minutes > 0 || seconds > 9 ? 0 : ms % 1000;
    const auto write = std::back_inserter(out);
    if (minutes > 0) fmt::format_to(write, "{}min", minutes);
    if (seconds > 0) fmt::format_to(write, "{}{}", seconds, rest > 0 ? "." : "sec");
    if (rest > 0) fmt::format_to(write, "{:03}ms", rest);
}

void append_as_ss(const Timer& timer, std::string& out) {
    constexpr std::array<std::string_view, 6> names{"off",      "on",      "keepalive",
                                                    "timewait", "persist", "unknown"};
    if (timer.kind == TimerKind::off) return;
    out += names[static_cast<std::size_t>(timer.kind)];
    out += ',';
    append_ss_time(timer.expires_ms, out);
    fmt::format_to(std::back_inserter(out), ",{}", timer.retransmits);
}

}  // namespace

void append_timer(const Socket& socket, TimerStyle style, std::string& out) {
    if (style == TimerStyle::netstat)
        append_as_netstat(socket, out);
    else
        append_as_ss(socket.timer, out);
}

}  // namespace connleak::render

#include "cli/sockets/columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include "cli/sockets/facts.h"
#include "cli/sockets/text.h"
#include "diagnosis/connections/verdict.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"

namespace connleak::render {

namespace {

using Align = Grid::Align;
using Row = SocketRow;
using View = SocketsView;
using Number = std::optional<std::uint64_t>;

// The owners' values, each different one once.
template <typename Of>
void append_of_owners(const Row& row, const View& view, std::string& out, const Of& of) {
    std::vector<std::string_view> said;
    for (const Process* process : owners_of(row, view.processes)) {
        const std::string_view text = of(*process);
        if (text.empty() || std::ranges::find(said, text) != said.end()) continue;
        if (!said.empty()) out += ',';
        out += printable(text);
        said.push_back(text);
    }
}

// ---------------------------------------------------------------- numbers

template <typename Member>
Number info(const Row& row, Member member) {
    if (!row.socket->info) return std::nullopt;
    return (*row.socket->info).*member;
}

// A column whose text is its number.
template <Number (*number)(const Row&, const View&)>
void as_text(const Row& row, const View& view, std::string& out) {
    if (const Number value = number(row, view)) append_number(out, *value);
}

Number rx_queue(const Row& row, const View&) {
    return row.socket->rx_queue_bytes;
}
Number tx_queue(const Row& row, const View&) {
    return row.socket->tx_queue_bytes;
}
Number expires(const Row& row, const View&) {
    if (row.socket->timer.kind == TimerKind::off) return std::nullopt;
    return row.socket->timer.expires_ms;
}
Number heard(const Row& row, const View&) {
    return peer_heard_ms(*row.socket).transform([](std::int64_t ms) {
        return static_cast<std::uint64_t>(ms);
    });
}
Number idle(const Row& row, const View& view) {
    return heard(row, view).transform([](std::uint64_t ms) { return ms / 1000; });
}
Number backoff(const Row& row, const View&) {
    return info(row, &TcpInfo::backoff);
}
Number unacked(const Row& row, const View&) {
    return info(row, &TcpInfo::unacked);
}
Number rtt(const Row& row, const View&) {
    return info(row, &TcpInfo::rtt_us);
}
Number retransmits(const Row& row, const View&) {
    return info(row, &TcpInfo::total_retransmits);
}
Number probes(const Row& row, const View&) {
    return info(row, &TcpInfo::probes);
}
Number first_pid(const Row& row, const View& view) {
    const auto owners = owners_of(row, view.processes);
    if (owners.empty()) return std::nullopt;
    return static_cast<std::uint64_t>(owners.front()->pid);
}
Number netns(const Row& row, const View&) {
    return row.socket->netns;
}
Number cookie(const Row& row, const View&) {
    return row.socket->cookie;
}
Number inode(const Row& row, const View&) {
    if (row.socket->inode == 0) return std::nullopt;
    return row.socket->inode;
}
Number uid(const Row& row, const View&) {
    if (!has_uid(*row.socket)) return std::nullopt;
    return row.socket->uid;
}
template <auto SocketMemory::*member>
Number memory(const Row& row, const View&) {
    if (!row.socket->memory) return std::nullopt;
    return (*row.socket->memory).*member;
}
Number peer_inode(const Row& row, const View&) {
    if (row.unix_socket == nullptr || row.unix_socket->peer_inode == 0) return std::nullopt;
    return row.unix_socket->peer_inode;
}

// ---------------------------------------------------------------- texts

void proto(const Row& row, const View&, std::string& out) {
    if (row.unix_socket != nullptr)
        out += ss_name(row.unix_socket->type);
    else
        out += row.socket->ipv6_socket ? "tcp6" : "tcp";
}
void state(const Row& row, const View&, std::string& out) {
    out += ss_name(row.socket->state);
}
void local(const Row& row, const View& view, std::string& out) {
    append_end(row, view, true, out);
}
void remote(const Row& row, const View& view, std::string& out) {
    append_end(row, view, false, out);
}
void local_order(const Row& row, const View& view, std::string& out) {
    append_end_order(row, view, true, out);
}
void remote_order(const Row& row, const View& view, std::string& out) {
    append_end_order(row, view, false, out);
}
void timer(const Row& row, const View& view, std::string& out) {
    if (row.unix_socket == nullptr) append_timer(*row.socket, view.timer, out);
}
void process(const Row& row, const View& view, std::string& out) {
    append_processes(owners_of(row, view.processes), out);
}
void heard_text(const Row& row, const View& view, std::string& out) {
    if (const Number ms = heard(row, view))
        out += phrase::duration(static_cast<std::int64_t>(*ms / 1000));
}
void rtt_text(const Row& row, const View& view, std::string& out) {
    const Number us = rtt(row, view);
    if (!us) return;
    append_number(out, *us / 1000);
    out += '.';
    const std::uint64_t part = *us % 1000;
    if (part < 100) out += part < 10 ? "00" : "0";
    append_number(out, part);
}
void owners(const Row& row, const View& view, std::string& out) {
    append_owners(row, view.processes, out);
}
void pid(const Row& row, const View& view, std::string& out) {
    bool first = true;
    for (const Process* each : owners_of(row, view.processes)) {
        if (!first) out += ',';
        first = false;
        append_number(out, static_cast<std::uint64_t>(each->pid));
    }
}
template <std::string Process::*member>
void of_owners(const Row& row, const View& view, std::string& out) {
    append_of_owners(row, view, out,
                     [](const Process& each) -> std::string_view { return each.*member; });
}
void netns_text(const Row& row, const View& view, std::string& out) {
    const auto name = view.namespaces.find(row.socket->netns);
    if (name != view.namespaces.end())
        out += printable(name->second);
    else
        append_number(out, row.socket->netns);
}
void cookie_text(const Row& row, const View&, std::string& out) {
    append_number(out, row.socket->cookie, 16);
}
void cgroup(const Row& row, const View& view, std::string& out) {
    const std::uint64_t id = row.socket->cgroup_id;
    if (id == 0) return;
    const auto path = view.cgroups.find(id);
    if (path != view.cgroups.end())
        out += printable(path->second);
    else
        append_number(out, id, 16);
}
void keepalive(const Row& row, const View&, std::string& out) {
    const Keepalive value = keepalive_of(*row.socket);
    if (value != Keepalive::unknown) out += to_string(value);
}
void interface(const Row& row, const View& view, std::string& out) {
    const std::uint32_t index = row.socket->interface;
    if (index == 0) return;
    const auto name = view.devices.find({row.socket->netns, index});
    if (name != view.devices.end())
        out += printable(name->second);
    else
        append_number(out += '#', index);
}
void peer_process(const Row& row, const View& view, std::string& out) {
    const auto* peer = unix_peer(row, view);
    append_processes(peer != nullptr ? owners_of({&peer->socket, peer}, view.processes)
                                     : pending_owners(row, view.processes),
                     out);
}

constexpr auto left = Align::left;
constexpr auto right = Align::right;
constexpr auto plain = Need::nothing;
constexpr auto holders = Need::owners;
constexpr auto tcp_info = Need::info;

using Text = std::string_view;

// Sorted by its text.
constexpr Column words(Text name, Need need, Text json, Text description,
                       decltype(Column::text) text) {
    return {name, left, need, json, description, text, {}, {}};
}
// Shown as the number by which it is sorted.
template <Number (*number)(const Row&, const View&)>
constexpr Column figure(Text name, Need need, Text json, Text description) {
    return {name, right, need, json, description, as_text<number>, number, {}};
}
template <auto SocketMemory::*member>
constexpr Column memory_figure(Text name, Text description) {
    return figure<memory<member>>(name, Need::memory, "memory", description);
}

constexpr std::array known_columns{
    words("PROTO", plain, "protocol", "tcp, tcp6, or u_str, u_dgr, u_seq", proto),
    words("STATE", plain, "state", "state, as ss names it", state),
    figure<rx_queue>("RECV-Q", plain, "rx_queue_bytes",
                     "bytes not read yet; of a listener: connections not accepted yet"),
    figure<tx_queue>("SEND-Q", plain, "tx_queue_bytes",
                     "bytes not acknowledged yet; of a listener: its backlog"),
    Column{"LOCAL", left, plain, "local", "local address and port", local, {}, local_order},
    Column{"REMOTE", left, plain, "remote", "remote address and port", remote, {}, remote_order},
    Column{"TIMER",
           left,
           plain,
           "timer",
           "the kernel's timer (seconds left/retransmissions/unanswered probes)",
           timer,
           expires,
           {},
           ""},
    Column{"PROCESS",
           left,
           holders,
           "owners",
           "first owner, and how many more there are",
           process,
           first_pid,
           {}},
    Column{"HEARD",
           right,
           tcp_info,
           "last_ack_received_ms",
           "since the peer's last data or ACK",
           heard_text,
           heard,
           {}},
    figure<idle>("IDLE", tcp_info, "last_data_received_ms",
                 "the same in seconds, as the filter compares it"),
    figure<backoff>("BACKOFF", tcp_info, "backoff", "doublings of the retransmission timeout"),
    figure<unacked>("UNACKED", tcp_info, "unacked", "segments in flight"),
    Column{"RTT", right, tcp_info, "rtt_us", "round-trip time in milliseconds", rtt_text, rtt, {}},
    figure<retransmits>("RETRANS", tcp_info, "total_retransmits", "segments retransmitted in all"),
    figure<probes>("PROBES", tcp_info, "probes", "keepalive or window probes not answered yet"),
    memory_figure<&SocketMemory::rmem_alloc>("RMEM", "memory of what is not read yet, in bytes"),
    memory_figure<&SocketMemory::rcvbuf>("RCVBUF", "its limit, SO_RCVBUF"),
    memory_figure<&SocketMemory::wmem_alloc>("WMEM", "memory of what is on its way out"),
    memory_figure<&SocketMemory::sndbuf>("SNDBUF", "limit of what is to be sent, SO_SNDBUF"),
    memory_figure<&SocketMemory::fwd_alloc>("FWD", "memory reserved and not in use"),
    memory_figure<&SocketMemory::wmem_queued>("QUEUED", "memory of what is not acknowledged yet"),
    memory_figure<&SocketMemory::optmem>("OPTMEM", "memory of options and filters"),
    memory_figure<&SocketMemory::backlog>("BACKLOG", "bytes that came while the socket was in use"),
    memory_figure<&SocketMemory::drops>("DROPS", "packets dropped"),
    words("KEEPALIVE", plain, "keepalive", "on, off, or masked by another timer", keepalive),
    words("OWNERS", holders, "owners", "every owner and its descriptor, as ss writes it", owners),
    Column{"PID", left, holders, "owners", "process ids of the owners", pid, first_pid, {}},
    words("COMM", holders, "owners", "names of the owners' programs", of_owners<&Process::comm>),
    words("GROUP", holders, "group", "PHP-FPM pool, unit, container or program",
          of_owners<&Process::group>),
    words("UNIT", holders, "unit", "systemd unit", of_owners<&Process::unit>),
    words("CONTAINER", holders, "container", "container", of_owners<&Process::container>),
    words("USER", holders, "", "users that the owners run as", of_owners<&Process::user>),
    figure<uid>("UID", plain, "uid", "user id of the socket"),
    figure<inode>("INODE", plain, "inode", "inode of the socket"),
    Column{"COOKIE",
           left,
           plain,
           "cookie",
           "the kernel's own name for the socket",
           cookie_text,
           cookie,
           {}},
    words("CGROUP", plain, "cgroup", "control group in which it was made", cgroup),
    Column{"NETNS", left, plain, "netns", "network namespace", netns_text, netns, {}},
    words("INTERFACE", plain, "interface", "device that it is bound to", interface),
    figure<peer_inode>("PEER-INODE", plain, "peer", "of a Unix socket: inode of the other end"),
    words("PEER-PROCESS", holders, "peer",
          "of a Unix socket: who holds the other end; of a listener: who waits", peer_process),
};

char upper(char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

}  // namespace

std::span<const Column> all_columns() {
    return known_columns;
}

const Column* find_column(std::string_view name) {
    std::string heading(name);
    std::ranges::transform(heading, heading.begin(), upper);
    if (heading == "OWNER") heading = "OWNERS";
    const auto found = std::ranges::find(known_columns, heading, &Column::name);
    return found == known_columns.end() ? nullptr : &*found;
}

}  // namespace connleak::render

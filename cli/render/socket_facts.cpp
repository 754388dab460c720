#include "cli/render/socket_facts.h"

#include <algorithm>
#include <tuple>

#include "diagnosis/verdict.h"

namespace connleak::render {

std::vector<const Process*> owners_of(const SocketRow& row, const Processes& processes) {
    std::vector<const Process*> result;
    const auto owners = processes.owners.find(row.socket->inode);
    if (row.socket->inode == 0 || owners == processes.owners.end()) return result;
    std::int32_t last = 0;
    for (const Owner& owner : owners->second) {  // sorted by pid
        if (owner.pid == last) continue;
        last = owner.pid;
        const auto process = processes.by_pid.find(owner.pid);
        if (process != processes.by_pid.end()) result.push_back(&process->second);
    }
    return result;
}

const Process* holder_of(const SocketRow& row, const Processes& processes) {
    const auto owners = owners_of(row, processes);
    const auto oldest = std::ranges::min_element(
        owners, {}, [](const Process* each) { return std::tuple(each->start_time, each->pid); });
    return oldest == owners.end() ? nullptr : *oldest;
}

std::optional<std::int64_t> heard_ms(const Socket& socket) {
    // A listener's figures are 0, and those of a handshake count from the host's start.
    switch (socket.state) {
        case State::established:
        case State::fin_wait_1:
        case State::fin_wait_2:
        case State::close_wait:
        case State::last_ack:
        case State::closing:
            return last_heard_ms(socket);
        case State::syn_sent:
        case State::syn_received:
        case State::time_wait:
        case State::closed:
        case State::listen:
            break;
    }
    return std::nullopt;
}

std::optional<std::int64_t> age_s(const Socket& socket) {
    if (!heard_ms(socket)) return std::nullopt;
    const TcpInfo& info = *socket.info;
    return std::max(
               {info.last_data_sent_ms, info.last_data_received_ms, info.last_ack_received_ms}) /
           1000;
}

bool has_uid(const Socket& socket) {
    return socket.state != State::time_wait && socket.state != State::syn_received;
}

std::string unix_name(const netlink::UnixSocket& socket) {
    std::string name = socket.name;
    std::ranges::replace(name, '\0', '@');
    return name;
}

const netlink::UnixSocket* unix_peer(const SocketRow& row, const SocketsView& view) {
    if (row.unix_socket == nullptr || row.unix_socket->peer_inode == 0) return nullptr;
    const auto found = view.unix_sockets.find(row.unix_socket->peer_inode);
    return found == view.unix_sockets.end() ? nullptr : found->second;
}

std::string_view ss_word(netlink::UnixType type) {
    switch (type) {
        case netlink::UnixType::stream:
            return "u_str";
        case netlink::UnixType::datagram:
            return "u_dgr";
        case netlink::UnixType::seqpacket:
            return "u_seq";
    }
    return "u_str";
}

std::string_view word(netlink::UnixType type) {
    switch (type) {
        case netlink::UnixType::stream:
            return "stream";
        case netlink::UnixType::datagram:
            return "datagram";
        case netlink::UnixType::seqpacket:
            return "seqpacket";
    }
    return "stream";
}

}  // namespace connleak::render

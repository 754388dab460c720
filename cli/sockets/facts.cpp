#include "cli/sockets/facts.h"

#include <algorithm>
#include <iterator>

#include "diagnosis/holders/holders.h"

namespace connleak::render {

namespace {

std::vector<const Process*> owners_of(std::uint32_t inode, const Processes& processes) {
    std::vector<const Process*> result;
    const auto owners = processes.owners.find(inode);
    if (inode == 0 || owners == processes.owners.end()) return result;
    std::int32_t last = 0;
    for (const Owner& owner : owners->second) {  // sorted by pid
        if (owner.pid == last) continue;
        last = owner.pid;
        const auto process = processes.by_pid.find(owner.pid);
        if (process != processes.by_pid.end()) result.push_back(&process->second);
    }
    return result;
}

}  // namespace

std::vector<const Process*> owners_of(const SocketRow& row, const Processes& processes) {
    return owners_of(row.socket->inode, processes);
}

const Process* holder_of(const SocketRow& row, const Processes& processes) {
    const auto owners = processes.owners.find(row.socket->inode);
    if (row.socket->inode == 0 || owners == processes.owners.end()) return nullptr;
    return connleak::holder_of(processes, owners->second);
}

std::vector<const Process*> pending_owners(const SocketRow& row, const Processes& processes) {
    std::vector<const Process*> result;
    if (row.unix_socket == nullptr) return result;
    for (const std::uint32_t inode : row.unix_socket->pending)
        std::ranges::copy(owners_of(inode, processes), std::back_inserter(result));
    std::ranges::sort(result, {}, &Process::pid);
    const auto repeated = std::ranges::unique(result);
    result.erase(repeated.begin(), repeated.end());
    return result;
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
    if (row.unix_socket == nullptr) return nullptr;
    const std::uint32_t peer = row.unix_socket->peer_inode;
    const auto& sockets = peer != 0 ? view.unix_sockets : view.unix_listeners;
    const auto found = sockets.find(peer != 0 ? peer : row.socket->inode);
    return found == sockets.end() ? nullptr : found->second;
}

std::string_view ss_name(netlink::UnixType type) {
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

std::string_view to_string(netlink::UnixType type) {
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

#include "collect/unix_sockets.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "diagnosis/model/phrase.h"
#include "netlink/sockets/unix_diag.h"
#include "probes/proc/unix_reach.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

constexpr std::uint8_t both_ways = 3;  // RCV_SHUTDOWN | SEND_SHUTDOWN

// It may have been a client of one of the servers; the kernel does not report its former peer.
bool left_behind(const UnixSocket& socket) {
    return socket.socket.state == State::established && socket.type != UnixType::datagram &&
           socket.peer_inode == 0 && socket.shutdown == both_ways;
}

class Choice {
  public:
    Choice(const std::vector<Server>& servers, const std::vector<UnixSocket>& all) : all_(all) {
        for (const Server& server : servers) {
            for (const UnixListener& listener : server.unix_listening) {
                names_.insert(listener.name);
                listeners_.insert(listener.inode);
            }
        }
        for (const UnixSocket& socket : all) {
            if (names_.contains(socket.name)) {
                peers_.insert(socket.peer_inode);
            }
            if (listeners_.contains(socket.socket.inode))
                peers_.insert(socket.pending.begin(), socket.pending.end());
        }
        peers_.erase(0);
    }

    [[nodiscard]] bool nothing() const { return names_.empty(); }
    [[nodiscard]] bool has_name(const std::string& name) const { return names_.contains(name); }

    [[nodiscard]] std::vector<UnixSocket> take() const {
        std::vector<UnixSocket> chosen;
        std::ranges::copy_if(all_, std::back_inserter(chosen), [&](const UnixSocket& socket) {
            return names_.contains(socket.name) || peers_.contains(socket.socket.inode) ||
                   left_behind(socket);
        });
        return chosen;
    }

    // The servers' listeners whose queue could not be read.
    [[nodiscard]] bool queue_unknown() const {
        return std::ranges::any_of(all_, [&](const UnixSocket& socket) {
            return listeners_.contains(socket.socket.inode) && socket.socket.rx_queue_bytes > 0 &&
                   socket.pending.empty();
        });
    }

  private:
    const std::vector<UnixSocket>& all_;
    std::unordered_set<std::string> names_;
    std::unordered_set<std::uint32_t> listeners_;
    std::unordered_set<std::uint32_t> peers_;
};

}  // namespace

UnixTables dump_unix_sockets(Namespaces& namespaces) {
    UnixTables tables;
    for (const netlink::Netns& netns : namespaces.all()) {
        netlink::UnixDump dump = netlink::dump_unix_sockets(netns);
        namespaces.count_read(dump.sockets.size());
        if (dump.error)
            tables.gaps.push_back({"netlink", netns.label(), errno_name(dump.error->code),
                                   "some Unix sockets of this network namespace may be missing"});
        tables.queues_complete &= !dump.pending_error;
        std::ranges::move(dump.sockets, std::back_inserter(tables.sockets));
    }
    return tables;
}

Read<std::vector<UnixSocket>> read_unix_sockets(Namespaces& namespaces,
                                                const std::vector<Server>& servers) {
    Read<std::vector<UnixSocket>> read;
    if (std::ranges::all_of(servers,
                            [](const Server& each) { return each.unix_listening.empty(); }))
        return read;
    UnixTables tables = dump_unix_sockets(namespaces);
    read.gaps = std::move(tables.gaps);
    const Choice choice(servers, tables.sockets);
    if (!tables.queues_complete && choice.queue_unknown())
        read.gaps.push_back({"netlink", "Unix sockets", "EMSGSIZE",
                             "more connections wait for a server to accept them than the kernel "
                             "tells"});
    read.value = choice.take();
    return read;
}

Read<UnixSide> find_left_ends(UnixSide side, const std::vector<Server>& servers,
                              const Processes& processes) {
    Read<UnixSide> read;
    read.value = std::move(side);
    UnixSide& left = read.value;
    if (left.sockets.empty()) return read;
    const Choice choice(servers, left.sockets);
    std::uint64_t unknown = 0;
    int error = 0;
    std::erase_if(left.sockets, [&](const UnixSocket& socket) {
        if (!left_behind(socket) || choice.has_name(socket.name)) return false;
        const auto owners = processes.owners.find(socket.socket.inode);
        if (owners == processes.owners.end()) return true;
        int failure = 0;
        for (const Owner& owner : owners->second) {
            auto remote = probes::unix_remote(owner, socket.socket.cookie);
            if (!remote) {
                failure = remote.error();
                continue;
            }
            if (!choice.has_name(remote->name)) return true;
            left.remotes.emplace(socket.socket.inode, std::move(*remote));
            return false;
        }
        if (failure == EPERM || failure == EACCES || failure == ENOSYS) {
            ++unknown;
            error = failure;
        }
        return true;
    });
    if (unknown > 0)
        read.gaps.push_back(
            {"proc", phrase::count(unknown, "Unix socket"), errno_name(error),
             "the other end has closed; whether that was a server's here is not known"});
    return read;
}

std::vector<UnixWay> unix_ways_to(const Server& server) {
    std::vector<UnixWay> ways;
    for (const UnixListener& listener : server.unix_listening) {
        if (listener.name.starts_with('\0') || !server.pid) {
            ways.push_back({listener.name, nullptr, ""});
            continue;
        }
        auto found = probes::open_unix_file(*server.pid, listener.name);
        if (!found) {
            ways.push_back({listener.name, nullptr, errno_name(found.error())});
            continue;
        }
        auto file = std::make_shared<Descriptor>(std::move(found->file));
        ways.push_back({"/proc/self/fd/" + std::to_string(file->get()), std::move(file), ""});
    }
    if (ways.empty() && !server.path.empty()) {
        const bool abstract = server.path.starts_with('@');
        ways.push_back(
            {abstract ? std::string(1, '\0') + server.path.substr(1) : server.path, nullptr, ""});
    }
    return ways;
}

bool is_server(const Server& server, std::int32_t peer_pid) {
    if (!server.pid || *server.pid == peer_pid) return true;
    // The kernel permanently reports the process that called listen(2), which may be a service
    // manager.
    std::unordered_set<std::uint32_t> inodes;
    for (const UnixListener& listener : server.unix_listening) inodes.insert(listener.inode);
    return probes::holds_any(peer_pid, inodes);
}

}  // namespace connleak::collect

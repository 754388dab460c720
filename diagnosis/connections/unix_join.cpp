#include "diagnosis/connections/unix_join.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "diagnosis/connections/unix_recheck.h"
#include "diagnosis/connections/verdict.h"

namespace connleak {

namespace {

constexpr std::uint8_t both_ways = 3;  // RCV_SHUTDOWN | SEND_SHUTDOWN

class UnixJoiner {
  public:
    UnixJoiner(const Sample& sample, const Policy& policy, Witness& witness, std::int32_t own_pid,
               std::deque<Socket>& found)
        : sample_(sample),
          side_(sample.unix_side),
          policy_(policy),
          witness_(witness),
          own_pid_(own_pid),
          found_(found),
          by_inode_(index_of(side_.sockets)) {
        for (const UnixSocket& socket : side_.sockets)
            if (socket.socket.state == State::listen) ++listeners_[socket.name];
    }

    std::vector<Connection> run() {
        for (const UnixSocket& socket : side_.sockets) {
            if (socket.socket.state == State::established) take(socket);
        }
        take_waiting();
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) attach_rows(index);
        UnixRecheck recheck(sample_, witness_);
        recheck.run(drafts_);
        std::vector<Connection> connections;
        for (const UnixDraft& draft : drafts_)
            if (!draft.gone) connections.push_back(conclude(draft));
        return connections;
    }

  private:
    [[nodiscard]] bool held_by(std::uint32_t inode, std::optional<std::int32_t> pid) const {
        const auto* owners = owners_of(sample_, inode);
        return pid && owners != nullptr &&
               std::ranges::find(*owners, *pid, &Owner::pid) != owners->end();
    }

    [[nodiscard]] bool is_own(std::uint32_t inode) const { return held_by(inode, own_pid_); }

    struct Place {
        std::size_t server = 0;
        const UnixListener* listener = nullptr;
    };

    // The listener with this name that `meant` selects. The same path is a different file in every
    // mount namespace, and a different socket after it was deleted: if none is selected, the name
    // must belong to one listener only.
    template <typename Meant>
    [[nodiscard]] std::optional<Place> find_place(const std::string& name, Meant meant) const {
        std::optional<Place> by_name;
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) {
            for (const UnixListener& listener : sample_.servers[index].unix_listening) {
                if (listener.name != name) continue;
                if (meant(sample_.servers[index], listener)) return Place{index, &listener};
                by_name = Place{index, &listener};
            }
        }
        const auto bearers = listeners_.find(name);
        return bearers != listeners_.end() && bearers->second == 1 ? by_name : std::nullopt;
    }

    // The process that holds the accepted end also holds the listener, or is the server's process.
    [[nodiscard]] std::optional<Place> place_of_accepted(const UnixSocket& accepted) const {
        const auto* owners = owners_of(sample_, accepted.socket.inode);
        return find_place(accepted.name, [&](const Server& server, const UnixListener& listener) {
            return owners != nullptr && std::ranges::any_of(*owners, [&](const Owner& owner) {
                       return owner.pid == server.pid || held_by(listener.inode, owner.pid);
                   });
        });
    }

    // Redis has closed it, but a child forked to write its files keeps a copy until it ends.
    [[nodiscard]] bool only_forked(std::uint32_t inode, const Server& server) const {
        const auto* owners = owners_of(sample_, inode);
        if (owners == nullptr || !server.pid || !server.answer.clients_complete) return false;
        return std::ranges::all_of(*owners, [&](const Owner& owner) {
            const auto process = sample_.processes.by_pid.find(owner.pid);
            return owner.pid != *server.pid && process != sample_.processes.by_pid.end() &&
                   process->second.parent == *server.pid;
        });
    }

    void take(const UnixSocket& socket) {
        const std::uint32_t inode = socket.socket.inode;
        if (is_own(inode) || is_own(socket.peer_inode)) return;
        UnixDraft draft;
        draft.ends = ends_of(socket);
        std::optional<Place> place;
        if (const auto remote = side_.remotes.find(inode); remote != side_.remotes.end()) {
            if (draft.ends != Ends::peer_closed) return;
            const UnixRemote& where = remote->second;
            place = find_place(where.name, [&](const Server& server, const UnixListener& listener) {
                return where.pid != 0 &&
                       (where.pid == server.pid || held_by(listener.inode, where.pid));
            });
            draft.client = &socket;
        } else if (listeners_.contains(socket.name)) {
            place = place_of_accepted(socket);
            draft.accepted = &socket;
            draft.client = peer_of(socket, by_inode_);
        }
        if (!place) return;
        if (draft.accepted != nullptr && draft.ends == Ends::peer_closed &&
            only_forked(inode, sample_.servers[place->server]))
            return;
        draft.server = place->server;
        draft.listener = place->listener;
        drafts_.push_back(draft);
    }

    void take_waiting() {
        for (std::size_t index = 0; index < sample_.servers.size(); ++index) {
            for (const UnixListener& listener : sample_.servers[index].unix_listening) {
                const auto socket = by_inode_.find(listener.inode);
                if (socket == by_inode_.end()) continue;
                for (const std::uint32_t inode : socket->second->pending) {
                    const auto client = by_inode_.find(inode);
                    if (client == by_inode_.end() || is_own(inode)) continue;
                    UnixDraft draft;
                    draft.server = index;
                    draft.listener = &listener;
                    draft.client = client->second;
                    draft.ends = Ends::waiting;
                    drafts_.push_back(draft);
                }
            }
        }
    }

    // Whether the list is from the process that holds the sockets: for a server in another pid
    // namespace, both give the pid in that namespace.
    [[nodiscard]] bool list_is_of_holder(const Server& server) const {
        if (!server.pid) return false;
        const auto process = sample_.processes.by_pid.find(*server.pid);
        return process == sample_.processes.by_pid.end() || !server.answer.process_id ||
               process->second.namespace_pid == *server.answer.process_id;
    }

    void attach_rows(std::size_t index) {
        const Server& server = sample_.servers[index];
        const ServerAnswer& answer = server.answer;
        const bool of_holder = list_is_of_holder(server);
        std::unordered_map<std::int32_t, std::size_t> by_fd;
        for (std::size_t at = 0; of_holder && at < drafts_.size(); ++at) {
            if (drafts_[at].server != index || drafts_[at].accepted == nullptr) continue;
            for (const std::int32_t fd : descriptors_of(sample_, drafts_[at]))
                by_fd.emplace(fd, at);
        }
        std::uint64_t alone = 0;
        bool unplaced = false;
        for (const ServerClient& row : answer.clients) {
            if (!by_unix_socket(row)) continue;
            const auto held = row.fd ? by_fd.find(*row.fd) : by_fd.end();
            if (held != by_fd.end() && drafts_[held->second].row == nullptr) {
                UnixDraft& draft = drafts_[held->second];
                draft.row = &row;
                draft.listed = true;
                // Ends accepted before the list was read have kept their descriptor.
                draft.row_unsure = !side_.earlier.contains(draft.accepted->socket.inode);
                continue;
            }
            // It belongs to one of the sockets in sight, but it is not known which: a thread need
            // not wait on its client's socket.
            if (row.unnamed && !by_fd.empty()) {
                unplaced = true;
                continue;
            }
            UnixDraft draft;
            draft.server = index;
            draft.row = &row;
            if (server.unix_listening.size() == 1) draft.listener = &server.unix_listening.front();
            drafts_.push_back(draft);
            ++alone;
        }
        leave_to_rows(index, alone);
        if (!answer.clients_complete || !of_holder || unplaced) return;
        for (const auto& [fd, at] : by_fd)
            if (drafts_[at].row == nullptr) drafts_[at].listed = false;
    }

    // If the server's descriptors cannot be read, its sockets and rows cannot be matched. Then only
    // the rows are used, so that each connection counts once.
    void leave_to_rows(std::size_t index, std::uint64_t rows) {
        for (UnixDraft& draft : drafts_) {
            if (rows == 0) return;
            if (draft.server != index || draft.accepted == nullptr || draft.ends != Ends::both ||
                !descriptors_of(sample_, draft).empty())
                continue;
            draft.gone = true;
            --rows;
        }
    }

    // Data read by the recheck does not outlive it.
    const Socket* kept(const UnixDraft& draft, const UnixSocket* socket) {
        if (socket == nullptr) return nullptr;
        if (!draft.looked_at) return &socket->socket;
        found_.push_back(socket->socket);
        return &found_.back();
    }

    Connection conclude(const UnixDraft& draft) {
        const Server& server = sample_.servers[draft.server];
        Connection connection;
        connection.server = draft.server;
        connection.server_end = server.endpoint;
        connection.row = draft.row;
        connection.client_path = path_of(draft);
        if (draft.accepted == nullptr && draft.client == nullptr) {
            Facts facts;
            facts.listed = true;
            judge(connection, facts, policy_, std::nullopt);
            return connection;
        }
        connection.server_socket = kept(draft, draft.accepted);
        connection.client_socket = kept(draft, draft.client);
        if (draft.row != nullptr && draft.row->idle_s)
            connection.last_heard_ms = *draft.row->idle_s * 1000;

        const auto is = [&](Verdict verdict, std::vector<Evidence> evidence) {
            connection.verdict = verdict;
            connection.evidence = std::move(evidence);
            return connection;
        };
        if (draft.ends_now) return is(Verdict::transient, {});
        if (draft.unconfirmed) return is(Verdict::unverified, {Evidence::peer_out_of_sight});
        switch (draft.ends) {
            case Ends::both:
                if (draft.listed && !*draft.listed)
                    return is(Verdict::suspect,
                              {Evidence::peer_socket_present, Evidence::server_not_listing});
                return is(Verdict::healthy, {Evidence::peer_socket_present});
            case Ends::half_closed:
                return is(Verdict::suspect, {Evidence::peer_closing});
            case Ends::peer_closed:
                return is(Verdict::close_wait, {Evidence::peer_closed});
            case Ends::waiting:
                return is(Verdict::unaccepted, {Evidence::accept_queue});
            case Ends::unclear:
                break;
        }
        return is(Verdict::unverified, {Evidence::peer_out_of_sight});
    }

    // Redis truncates a long path in its list; only the socket shows which one it was.
    [[nodiscard]] std::string path_of(const UnixDraft& draft) const {
        if (draft.listener != nullptr) return draft.listener->path;
        const Server& server = sample_.servers[draft.server];
        if (draft.row != nullptr && !draft.row->path.empty()) return draft.row->path;
        return server.path.empty() ? "?" : server.path;
    }

    const Sample& sample_;
    const UnixSide& side_;
    const Policy& policy_;
    Witness& witness_;
    std::int32_t own_pid_;
    std::deque<Socket>& found_;
    UnixByInode by_inode_;
    std::unordered_map<std::string, std::size_t> listeners_;  // by name: how many listeners have it
    std::vector<UnixDraft> drafts_;
};

}  // namespace

// unix_release_sock() sets both bits of the remaining end; from then on its peer is shown without
// an inode.
Ends ends_of(const UnixSocket& end) {
    if (end.peer_inode == 0) return end.shutdown == both_ways ? Ends::peer_closed : Ends::unclear;
    return end.shutdown == 0 ? Ends::both : Ends::half_closed;
}

UnixByInode index_of(const std::vector<UnixSocket>& sockets) {
    UnixByInode index;
    index.reserve(sockets.size());
    for (const UnixSocket& socket : sockets) index.emplace(socket.socket.inode, &socket);
    return index;
}

const UnixSocket* peer_of(const UnixSocket& end, const UnixByInode& index) {
    const auto found = index.find(end.peer_inode);
    if (end.peer_inode == 0 || found == index.end()) return nullptr;
    return found->second->peer_inode == end.socket.inode ? found->second : nullptr;
}

const std::vector<Owner>* owners_of(const Sample& sample, std::uint32_t inode) {
    const auto found = sample.processes.owners.find(inode);
    return inode == 0 || found == sample.processes.owners.end() ? nullptr : &found->second;
}

std::vector<std::int32_t> descriptors_of(const Sample& sample, const UnixDraft& draft) {
    std::vector<std::int32_t> descriptors;
    const auto* owners = owners_of(sample, draft.accepted->socket.inode);
    const auto pid = sample.servers[draft.server].pid;
    if (owners == nullptr || !pid) return descriptors;
    for (const Owner& owner : *owners)
        if (owner.pid == *pid) descriptors.push_back(owner.fd);
    return descriptors;
}

bool by_unix_socket(const ServerClient& row) {
    return row.by_unix_socket || !row.path.empty();
}

std::vector<Connection> join_unix(const Sample& sample, const Policy& policy, Witness& witness,
                                  std::int32_t own_pid, std::deque<Socket>& found) {
    return UnixJoiner(sample, policy, witness, own_pid, found).run();
}

}  // namespace connleak

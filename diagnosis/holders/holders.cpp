#include "diagnosis/holders/holders.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "diagnosis/holders/purpose.h"

namespace connleak {

namespace {

using HostIndex = std::optional<std::size_t>;
using GroupKey = std::tuple<std::size_t, std::string, GroupKind, HostIndex>;
using HolderKey = std::tuple<HostIndex, std::int32_t, std::size_t>;

}  // namespace

const Process* holder_of(const Processes& processes, std::span<const Owner> owners) {
    const Process* first = nullptr;
    for (const Owner& owner : owners) {
        const auto found = processes.by_pid.find(owner.pid);
        if (found == processes.by_pid.end()) continue;
        if (first == nullptr || std::tie(found->second.start_time, found->second.pid) <
                                    std::tie(first->start_time, first->pid))
            first = &found->second;
    }
    return first;
}

void add_pool_limit(const Processes& processes, Group& group) {
    if (group.kind != GroupKind::php_fpm_pool || group.host) return;
    std::uint64_t workers = 0;
    std::optional<std::uint64_t> limit;
    bool all_known = true;
    // Several masters can have a pool of the same name; they count together, as their title does.
    for (const FpmPool& pool : processes.pools) {
        if ("php-fpm: pool " + pool.name != group.name) continue;
        workers += static_cast<std::uint64_t>(pool.workers);
        all_known &= pool.max_children.has_value();
        if (pool.max_children) limit = limit.value_or(0) + *pool.max_children;
    }
    group.workers = std::max(group.workers, workers);
    if (!all_known || !limit) return;
    group.max_workers = limit;
    group.projected_connections = *limit * group.per_worker_max;
}

const Process& holder_of(const Sample& sample, const Holder& holder) {
    const Processes& all =
        holder.host ? sample.peer_hosts[*holder.host].processes : sample.processes;
    return all.by_pid.at(holder.pid);
}

void name_holders(const Sample& sample, const Policy& policy, Report& report) {
    std::map<HolderKey, Holder> holders;
    std::map<GroupKey, Group> groups;
    std::map<GroupKey, std::set<std::int32_t>> members;

    for (Connection& connection : report.connections) {
        const std::string link = link_name(sample, connection);
        connection.group = link;
        const Socket* client = connection.client_socket;
        if (client == nullptr || client->inode == 0) continue;
        const Processes& processes = sample.processes_of(client->netns);
        const PeerNamespace* peer = sample.peer(client->netns);
        const HostIndex host = peer != nullptr ? HostIndex(peer->host) : std::nullopt;
        const auto owners = processes.owners.find(client->inode);
        if (owners == processes.owners.end()) continue;
        const Process* process = holder_of(processes, owners->second);
        if (process == nullptr) continue;
        if (link.empty()) connection.group = process->group;

        const bool persistent = !is_link(connection) && connection.age_s &&
                                *connection.age_s >= policy.persistent_after_s &&
                                client->state == State::established;
        const bool off = connection.keepalive == Keepalive::off;
        std::optional<std::int64_t> idle_s;
        if (connection.row != nullptr && connection.row->idle_s)
            idle_s = connection.row->idle_s;
        else if (connection.last_heard_ms)
            idle_s = *connection.last_heard_ms / 1000;

        const GroupKey key{connection.server, connection.group, process->group_kind, host};
        Group& group = groups[key];
        group.name = connection.group;
        group.kind = process->group_kind;
        group.host = host;
        group.server = connection.server;
        ++group.connections;
        group.persistent += persistent ? 1 : 0;
        group.keepalive_on += connection.keepalive == Keepalive::on ? 1 : 0;
        group.by_unix_socket += is_unix(connection) ? 1U : 0U;
        raise_to(group.oldest_s, connection.age_s);
        if (connection.last_heard_ms)
            raise_to(group.silent_max_s, std::optional(*connection.last_heard_ms / 1000));

        std::set<std::int32_t> seen;  // one process can hold a socket by several descriptors
        for (const Owner& owner : owners->second) {
            if (!processes.by_pid.contains(owner.pid) || !seen.insert(owner.pid).second) continue;
            Holder& holder = holders[{host, owner.pid, connection.server}];
            holder.host = host;
            holder.pid = owner.pid;
            holder.server = connection.server;
            ++holder.connections;
            holder.persistent += persistent ? 1 : 0;
            // A Unix socket's state stays at established.
            const bool waits = is_unix(connection) && connection.verdict == Verdict::close_wait;
            holder.close_wait += client->state == State::close_wait || waits ? 1U : 0U;
            holder.keepalive_off += off ? 1 : 0;
            raise_to(holder.oldest_s, connection.age_s);
            raise_to(holder.idle_max_s, idle_s);
            members[key].insert(owner.pid);
        }
    }

    for (auto& [key, group] : groups) {
        group.workers = members[key].size();
        for (const std::int32_t pid : members[key]) {
            const Holder& holder = holders[{group.host, pid, group.server}];
            group.per_worker_max = std::max(group.per_worker_max, holder.connections);
            group.persistent_per_worker_max =
                std::max(group.persistent_per_worker_max, holder.persistent);
            group.duplicate_workers += holder.persistent > 1 ? 1 : 0;
        }
    }
    for (auto& [key, group] : groups) add_pool_limit(sample.processes, group);

    for (auto& [key, holder] : holders) report.holders.push_back(holder);
    std::ranges::stable_sort(report.holders, [](const Holder& a, const Holder& b) {
        return std::tuple(a.server, b.connections, a.pid) <
               std::tuple(b.server, a.connections, b.pid);
    });
    for (auto& [key, group] : groups) report.groups.push_back(std::move(group));
    std::ranges::stable_sort(report.groups, [](const Group& a, const Group& b) {
        return std::tie(a.server, b.connections, a.name) <
               std::tie(b.server, a.connections, b.name);
    });
}

}  // namespace connleak

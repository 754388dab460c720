#include "diagnosis/holders/proxies.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "diagnosis/holders/holders.h"

namespace connleak {

namespace {

std::optional<std::int64_t> seconds(std::optional<std::int64_t> ms) {
    if (!ms) return std::nullopt;
    return *ms / 1000;
}

// Counts a proxy's clients by group, or by host.
class Crowd {
  public:
    Crowd(const Sample& sample, const Policy& policy, std::size_t server)
        : sample_(sample), policy_(policy), server_(server) {}

    void add(const ProxyClient& client) {
        const auto owners = sample_.processes.owners.find(client.inode);
        const bool owned = client.inode != 0 && owners != sample_.processes.owners.end();
        const Process* process = owned ? holder_of(sample_.processes, owners->second) : nullptr;
        const bool persistent =
            client.age_ms && *client.age_ms >= policy_.persistent_after_s * 1000;
        Behind& behind = place_of(client, process);
        Group& group = behind.group;
        ++group.connections;
        group.persistent += persistent ? 1 : 0;
        group.keepalive_on += client.keepalive_on ? 1 : 0;
        behind.keepalive_unanswered += client.keepalive_unanswered ? 1 : 0;
        raise_to(group.oldest_s, seconds(client.age_ms));
        raise_to(group.silent_max_s, seconds(client.heard_ms));
        if (process == nullptr) return;
        std::set<std::int32_t> seen;
        for (const Owner& owner : owners->second) {
            if (!sample_.processes.by_pid.contains(owner.pid) || !seen.insert(owner.pid).second)
                continue;
            Worker& worker = workers_[&behind][owner.pid];
            ++worker.connections;
            worker.persistent += persistent ? 1 : 0;
        }
    }

    std::vector<Behind> take() {
        std::vector<Behind> all;
        for (auto& [key, behind] : behind_) {
            Group& group = behind.group;
            group.workers = workers_[&behind].size();
            for (const auto& [pid, worker] : workers_[&behind]) {
                group.per_worker_max = std::max(group.per_worker_max, worker.connections);
                group.persistent_per_worker_max =
                    std::max(group.persistent_per_worker_max, worker.persistent);
                group.duplicate_workers += worker.persistent > 1 ? 1 : 0;
            }
            add_pool_limit(sample_.processes, group);
            all.push_back(behind);
        }
        std::ranges::stable_sort(all, [](const Behind& a, const Behind& b) {
            return std::tie(b.group.connections, a.group.name) <
                   std::tie(a.group.connections, b.group.name);
        });
        return all;
    }

  private:
    struct Worker {
        std::uint64_t connections = 0;
        std::uint64_t persistent = 0;
    };

    Behind& place_of(const ProxyClient& client, const Process* process) {
        Behind& behind = process != nullptr ? behind_[{true, process->group, process->group_kind}]
                                            : behind_[{false, client.address.address.text(), {}}];
        behind.group.server = server_;
        if (process != nullptr) {
            behind.group.name = process->group;
            behind.group.kind = process->group_kind;
        } else {
            behind.group.name = client.address.address.text();
            behind.address = client.address.address;
        }
        return behind;
    }

    const Sample& sample_;
    const Policy& policy_;
    std::size_t server_;
    std::map<std::tuple<bool, std::string, GroupKind>, Behind> behind_;
    std::map<const Behind*, std::map<std::int32_t, Worker>> workers_;
};

class Namer {
  public:
    Namer(const Sample& sample, const Policy& policy, Report& report)
        : sample_(sample), policy_(policy), report_(report) {
        for (Connection& connection : report.connections) {
            connection.proxied = nullptr;
            const Socket* client = connection.client_socket;
            if (client == nullptr || client->inode == 0 || from_snapshot(*client)) continue;
            by_inode_.emplace(client->inode, &connection);
        }
        report.proxied.clear();
    }

    void run() {
        for (const Proxy& proxy : sample_.proxies) name_connections(proxy);
        for (Holder& holder : report_.holders) {
            if (holder.host) continue;
            std::vector<const Proxy*> of_holder;
            for (const Proxy& proxy : sample_.proxies)
                if (proxy.pid == holder.pid) of_holder.push_back(&proxy);
            holder.proxy = use_of(of_holder, holder.server);
        }
        for (Group& group : report_.groups) {
            if (group.host) continue;
            std::vector<const Proxy*> of_group;
            for (const Proxy& proxy : sample_.proxies)
                if (is_of(proxy, group)) of_group.push_back(&proxy);
            group.proxy = use_of(of_group, group.server);
        }
    }

  private:
    [[nodiscard]] bool is_of(const Proxy& proxy, const Group& group) const {
        const auto process = sample_.processes.by_pid.find(proxy.pid);
        return process != sample_.processes.by_pid.end() && process->second.group == group.name &&
               process->second.group_kind == group.kind &&
               std::ranges::any_of(report_.holders, [&](const Holder& holder) {
                   return !holder.host && holder.pid == proxy.pid && holder.server == group.server;
               });
    }

    [[nodiscard]] Connection* carrier_of(const ProxyClient& client) const {
        const auto found = by_inode_.find(client.upstream);
        return client.upstream == 0 || found == by_inode_.end() ? nullptr : found->second;
    }

    [[nodiscard]] ProxiedClient told_of(const ProxyClient& client) const {
        ProxiedClient told{client.address, client.netns, "", client.heard_ms,
                           client.keepalive_unanswered};
        const auto owners = sample_.processes.owners.find(client.inode);
        if (client.inode == 0 || owners == sample_.processes.owners.end()) return told;
        const Process* process = holder_of(sample_.processes, owners->second);
        if (process != nullptr) told.group = process->group;
        return told;
    }

    void name_connections(const Proxy& proxy) {
        // Of clients that cannot be told apart only common properties are known; std::nullopt:
        // none.
        std::map<std::uint32_t, std::optional<ProxiedClient>> common;
        for (const ProxyClient& client : proxy.clients) {
            if (client.upstream == 0 || client.lookalikes == 0) continue;
            ProxiedClient told = told_of(client);
            told.address.port = 0;
            const auto [entry, first] = common.try_emplace(client.lookalikes, told);
            if (first || !entry->second) continue;
            ProxiedClient& all = *entry->second;
            if (all.address != told.address || all.netns != told.netns || all.group != told.group)
                entry->second.reset();
            else if (!told.heard_ms || (all.heard_ms && *told.heard_ms < *all.heard_ms))
                all.heard_ms = told.heard_ms;  // the minimum, which holds for each
            if (entry->second) entry->second->keepalive_unanswered &= told.keepalive_unanswered;
        }
        for (const ProxyClient& client : proxy.clients) {
            Connection* connection = carrier_of(client);
            if (connection == nullptr) continue;
            if (client.lookalikes == 0)
                report_.proxied.push_back(told_of(client));
            else if (common[client.lookalikes])
                report_.proxied.push_back(*common[client.lookalikes]);
            else
                continue;
            connection->proxied = &report_.proxied.back();
        }
    }

    // Such clients whose server is not known either.
    [[nodiscard]] std::set<std::uint32_t> of_any_server(const Proxy& proxy) const {
        std::map<std::uint32_t, std::size_t> first;
        std::set<std::uint32_t> mixed;
        for (const ProxyClient& client : proxy.clients) {
            const Connection* carrier = carrier_of(client);
            if (carrier == nullptr || client.lookalikes == 0) continue;
            const auto [entry, added] = first.try_emplace(client.lookalikes, carrier->server);
            if (entry->second != carrier->server) mixed.insert(client.lookalikes);
        }
        return mixed;
    }

    // Whether the proxy's connections all go to this one server.
    [[nodiscard]] bool serves_only(const Proxy& proxy, std::size_t server) const {
        return std::ranges::none_of(report_.holders, [&](const Holder& holder) {
            return !holder.host && holder.pid == proxy.pid && holder.server != server;
        });
    }

    [[nodiscard]] std::optional<ProxyUse> use_of(const std::vector<const Proxy*>& proxies,
                                                 std::size_t server) const {
        if (proxies.empty()) return std::nullopt;
        ProxyUse use;
        use.sign = ProxySign::program;
        use.one_to_one = true;
        use.clients = 0;
        std::set<ProxyListener> listening;
        std::set<std::uint32_t> seen;  // processes can share a socket
        Crowd crowd(sample_, policy_, server);
        for (const Proxy* proxy : proxies) {
            if (proxy->sign == ProxySign::traffic) use.sign = ProxySign::traffic;
            use.one_to_one &= proxy->one_to_one;
            listening.insert(proxy->listening.begin(), proxy->listening.end());
            if (!proxy->clients_known) use.clients.reset();
            // A client whose upstream connection is not known may use any of its servers.
            const bool any = !proxy->one_to_one || serves_only(*proxy, server);
            const std::set<std::uint32_t> mixed = of_any_server(*proxy);
            for (const ProxyClient& client : proxy->clients) {
                if (!seen.insert(client.accepted).second) continue;
                if (use.clients) ++*use.clients;
                const Connection* carrier =
                    mixed.contains(client.lookalikes) ? nullptr : carrier_of(client);
                if (carrier != nullptr ? carrier->server == server : any) crowd.add(client);
            }
        }
        use.listening.assign(listening.begin(), listening.end());
        use.behind = crowd.take();
        return use;
    }

    const Sample& sample_;
    const Policy& policy_;
    Report& report_;
    std::unordered_map<std::uint32_t, Connection*> by_inode_;
};

}  // namespace

void name_proxies(const Sample& sample, const Policy& policy, Report& report) {
    Namer(sample, policy, report).run();
}

std::string user_of(const Connection& connection) {
    if (connection.proxied == nullptr) return connection.group;
    const ProxiedClient& behind = *connection.proxied;
    return (behind.group.empty() ? behind.address.address.text() : behind.group) + ", through " +
           (connection.group.empty() ? "a proxy" : connection.group);
}

}  // namespace connleak

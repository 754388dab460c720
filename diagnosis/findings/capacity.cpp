// Findings about limits nearly reached: clients, descriptors, ephemeral ports, PHP-FPM pools.
#include <algorithm>
#include <map>

#include "diagnosis/findings/findings.h"
#include "diagnosis/findings/rules.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

namespace {

using phrase::count;
using phrase::number;

Found near_limit(const Context& context) {
    const ServerAnswer& answer = context.server.answer;
    const auto limit = client_limit(context.server);
    const auto used = client_slots(context.server);
    if (!used || !limit || *limit == 0) return std::nullopt;
    const std::uint64_t percent = *used * 100 / *limit;
    if (percent < clients_warning_percent) return std::nullopt;
    Finding result = finding(
        context, "clients-near-limit",
        percent >= clients_critical_percent ? Severity::critical : Severity::warning, *used);
    result.summary = number(*used) + " of " + number(*limit) + " clients (" +
                     std::to_string(percent) + " %)" + others_in_slots(context.server);
    result.remedy =
        context.verdicts(Verdict::ghost) > 0 ? "Remove the ghosts first, then see" : "See";
    result.remedy += " below who holds the most. ";
    if (*limit < answer.maxclients.value_or(0)) {
        result.remedy += "The limit in force is that of the descriptors, as below";
        return result;
    }
    const std::string setting(context.family.settings.limit);
    result.remedy += "Raising " + setting + " needs as many descriptors and harms nobody:";
    result.command = context.commands.set(setting, static_cast<std::int64_t>(*limit * 2));
    return result;
}

Found rejected(const Context& context) {
    const auto total = context.server.answer.rejected_connections;
    if (!total || *total == 0) return std::nullopt;
    Finding result = finding(context, "connections-rejected", Severity::warning, *total);
    result.summary =
        count(*total, "connection was", "connections were") + " refused since the server started";
    if (context.server.answer.uptime_s)
        result.summary +=
            " " + phrase::duration(static_cast<std::int64_t>(*context.server.answer.uptime_s)) +
            " ago";
    const ServerFamily::Settings& settings = context.family.settings;
    result.remedy = "Clients met " + std::string(settings.limit);
    if (!settings.reset_statistics.empty())
        result.remedy += ". The counter starts anew with " + std::string(settings.reset_statistics);
    return result;
}

Found descriptors(const Context& context) {
    const auto limit = context.server.answer.maxclients;
    const auto descriptors = context.server.fd_limit;
    if (!limit || !descriptors || *descriptors >= *limit + 32) return std::nullopt;
    Finding result = finding(context, "fd-limit-below-maxclients", Severity::warning, *descriptors);
    result.summary = std::string(context.family.settings.limit) + " is " + number(*limit) +
                     ", but " + number(*descriptors) + " descriptors suffice for " +
                     number(client_limit(context.server).value_or(0)) + " clients";
    result.remedy =
        "Raise LimitNOFILE of its unit for the next start, and the limit of the running process, "
        "which harms nobody:";
    if (context.server.pid)
        result.command = "prlimit --pid " + std::to_string(*context.server.pid) +
                         " --nofile=" + std::to_string(*limit + 32);
    return result;
}

// Those whose connections are the server's: its holders, and past a proxy that has a connection for
// each of its clients, those behind it.
struct Pool {
    const Group* group = nullptr;
    std::string name;
};

std::vector<Pool> pools(const Context& context) {
    std::vector<Pool> found;
    for (const Group& group : context.report.groups) {
        if (group.server != context.index) continue;
        if (group.kind == GroupKind::php_fpm_pool) found.push_back({&group, group.name});
        if (!group.proxy || !group.proxy->one_to_one) continue;
        for (const Behind& behind : group.proxy->behind)
            if (!behind.address && behind.group.kind == GroupKind::php_fpm_pool)
                found.push_back(
                    {&behind.group, behind.group.name + " (through " + group.name + ")"});
    }
    return found;
}

Found duplicates(const Context& context) {
    std::uint64_t workers = 0;
    const Group* worst = nullptr;
    std::string name;
    for (const Pool& pool : pools(context)) {
        if (pool.group->duplicate_workers == 0) continue;
        workers += pool.group->duplicate_workers;
        if (worst != nullptr && pool.group->persistent <= worst->persistent) continue;
        worst = pool.group;
        name = pool.name;
    }
    if (worst == nullptr) return std::nullopt;
    Finding result =
        finding(context, "duplicate-persistent-connections", Severity::warning, workers);
    result.summary = name + " holds " + number(worst->persistent_per_worker_max) +
                     " persistent connections per worker (" + count(worst->workers, "worker") +
                     ", " + count(worst->connections, "connection") + ")";
    result.remedy =
        std::string(context.family.texts.php_twins) +
        "Make the calls alike, then reload the pool: old workers end after their request and take "
        "theirs with them";
    return result;
}

Found capacity(const Context& context) {
    const auto limit = client_limit(context.server);
    if (!limit) return std::nullopt;
    std::uint64_t projected = 0;
    std::uint64_t in_pools = 0;
    std::uint64_t persistent = 0;
    for (const Pool& pool : pools(context)) {
        if (!pool.group->projected_connections) continue;
        projected += *pool.group->projected_connections;
        in_pools += pool.group->connections;
        persistent += pool.group->persistent;
    }
    const std::uint64_t all = client_slots(context.server).value_or(in_pools);
    const std::uint64_t others = all > in_pools ? all - in_pools : 0;
    if (persistent == 0 || projected + others <= *limit) return std::nullopt;
    Finding result =
        finding(context, "persistent-exceeds-capacity", Severity::warning, projected + others);
    result.summary = "full PHP-FPM pools would hold " + count(projected, "connection") +
                     (others > 0 ? ", with the others " + number(projected + others) : "") +
                     ": more than the limit of " + number(*limit);
    result.remedy = "Lower pm.max_children or the connections per worker, or raise " +
                    std::string(context.family.settings.limit) +
                    ", which needs as many descriptors and harms nobody:";
    result.command = context.commands.set(context.family.settings.limit,
                                          static_cast<std::int64_t>((projected + others) * 5 / 4));
    return result;
}

Found ports(const Context& context) {
    const auto worst = fullest_ports(context.sample, context.report, context.index);
    if (!worst) return std::nullopt;
    const std::uint64_t percent = worst->used * 100 / worst->range;
    if (percent < ports_warning_percent) return std::nullopt;
    Finding result = finding(
        context, "ephemeral-port-pressure",
        percent >= ports_critical_percent ? Severity::critical : Severity::warning, worst->used);
    result.summary = worst->from.text() + " uses " + number(worst->used) + " of " +
                     number(worst->range) + " ephemeral ports (" + std::to_string(percent) +
                     " %) to " + worst->to.text();
    result.remedy =
        "Connections that are opened for each request leave TIME-WAIT behind: keep them open "
        "(pconnect, a pool). A wider range helps until then and harms nobody:";
    result.command = context.commands.inside(
        worst->netns, "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"");
    return result;
}

constexpr Found (*limit_rules[])(const Context&) = {near_limit, duplicates,  capacity,
                                                    rejected,   descriptors, ports};

}  // namespace

std::optional<std::uint64_t> client_limit(const Server& server) {
    constexpr std::uint64_t reserved = 32;
    std::optional<std::uint64_t> limit = server.answer.maxclients;
    if (limit && server.fd_limit && *server.fd_limit < *limit + reserved)
        limit = *server.fd_limit > reserved ? *server.fd_limit - reserved : 0;
    return limit;
}

// acceptCommonHandler() in Redis's networking.c compares maxclients with all of them together.
std::optional<std::uint64_t> client_slots(const Server& server) {
    const ServerAnswer& answer = server.answer;
    auto clients = answer.connected_clients;
    if (answer.counts_disagree) clients = answer.listed_clients;
    if (!clients || !kind_row(server.kind).links_counted_apart) return clients;
    return *clients + answer.topology.connected_replicas.value_or(0) +
           answer.topology.cluster_connections.value_or(0);
}

std::string others_in_slots(const Server& server) {
    if (!kind_row(server.kind).links_counted_apart) return "";
    const std::uint64_t replicas = server.answer.topology.connected_replicas.value_or(0);
    const std::uint64_t links = server.answer.topology.cluster_connections.value_or(0);
    std::string text;
    if (replicas > 0) text += ", with " + count(replicas, "replica");
    if (links > 0)
        text += (text.empty() ? ", with " : " and ") + count(links, "link") + " of the cluster";
    return text;
}

std::optional<PortUse> fullest_ports(const Sample& sample, const Report& report,
                                     std::size_t server) {
    std::map<std::pair<NetnsId, Address>, std::map<Endpoint, std::uint64_t>> used;
    for (const Connection& each : report.connections) {
        if (each.server != server || each.client_socket == nullptr || is_unix(each)) continue;
        ++used[{each.client_socket->netns, each.own_client_end().address}][each.dialled_end()];
    }
    std::optional<PortUse> worst;
    for (const auto& [from, targets] : used) {
        const auto place = std::ranges::find(sample.namespaces, from.first, &Namespace::id);
        if (place == sample.namespaces.end() || place->port_range_high == 0 ||
            place->port_range_high < place->port_range_low)
            continue;
        const std::uint64_t range = place->port_range_high - place->port_range_low + 1U;
        for (const auto& [to, sockets] : targets)
            if (!worst || sockets * worst->range > worst->used * range)
                worst = PortUse{from.first, from.second, to, sockets, range};
    }
    return worst;
}

void find_shortages(const Context& context, std::vector<Finding>& findings) {
    for (const auto& rule : limit_rules)
        if (Found found = rule(context)) findings.push_back(std::move(*found));
}

}  // namespace connleak

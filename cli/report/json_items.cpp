#include "cli/report/json_items.h"

#include "diagnosis/holders/holders.h"
#include "diagnosis/model/server_family.h"

namespace connleak::render {

namespace {

Json milliseconds(double value) {
    return static_cast<double>(static_cast<std::int64_t>(value * 1000)) / 1000;
}

// The namespace's number on its own host.
NetnsId netns_id(const Sample& sample, NetnsId id) {
    const PeerNamespace* peer = sample.peer(id);
    return peer != nullptr ? peer->netns : id;
}

// null for this host.
Json host_name(const Sample& sample, std::optional<std::size_t> host) {
    return host ? Json(sample.peer_hosts[*host].name) : Json(nullptr);
}

Json socket(const Sample& sample, const Socket* value) {
    if (value == nullptr) return nullptr;
    Json json = Json::object();
    add_socket(json, sample.processes_of(value->netns), *value);
    if (is_unix(*value)) json["timer"] = nullptr;
    if (from_snapshot(*value)) json["netns"] = netns_id(sample, value->netns);
    return json;
}

Json proxied_client(const ProxiedClient* value) {
    if (value == nullptr) return nullptr;
    return {{"address", json_address(value->address.address)},
            {"port", value->address.port != 0 ? Json(value->address.port) : Json(nullptr)},
            {"netns", maybe(value->netns)},
            {"group", text_or_null(value->group)},
            {"last_heard_ms", maybe(value->heard_ms)},
            {"keepalive_unanswered", value->keepalive_unanswered}};
}

Json proxy(const std::optional<ProxyUse>& value) {
    if (!value) return nullptr;
    Json listening = Json::array();
    for (const ProxyListener& each : value->listening)
        listening.push_back({{"address", json_address(each.endpoint.address)},
                             {"port", each.endpoint.port},
                             {"netns", each.netns}});
    Json behind = Json::array();
    for (const Behind& each : value->behind)
        behind.push_back({{"name", each.address ? Json(nullptr) : Json(each.group.name)},
                          {"address", each.address ? json_address(*each.address) : Json(nullptr)},
                          {"workers", each.address ? Json(nullptr) : Json(each.group.workers)},
                          {"connections", each.group.connections},
                          {"persistent", each.group.persistent},
                          {"oldest_s", maybe(each.group.oldest_s)},
                          {"silent_max_s", maybe(each.group.silent_max_s)},
                          {"keepalive_on", each.group.keepalive_on},
                          {"keepalive_unanswered", each.keepalive_unanswered}});
    return {{"known_by", to_string(value->sign)},
            {"clients", maybe(value->clients)},
            {"listening", std::move(listening)},
            {"behind", std::move(behind)}};
}

Json listed(ServerKind kind, const ServerClient* row) {
    if (row == nullptr) return nullptr;
    Json native = Json::object();
    row->native.each([&](std::string_view name, NativeFields::Value value) {
        native.add(name, value ? Json(*value) : Json(nullptr));
    });
    Json json = Json::object();
    json.add("kind", to_string(kind));
    json.add("id", row->id != 0 ? Json(row->id) : Json(nullptr));
    json.add("name", maybe(row->name));
    json.add("user", text_or_null(row->user));
    json.add("database", text_or_null(row->database));
    json.add("command", text_or_null(row->command));
    json.add("state", text_or_null(row->state));
    json.add("idle_s", maybe(row->idle_s));
    json.add("age_s", row->age_is_least ? Json(nullptr) : maybe(row->age_s));
    json.add("transaction_s", maybe(row->transaction_s));
    json.add("memory_bytes", maybe(row->memory_bytes));
    json.add("client_pid", maybe(row->client_pid));
    json.add("native", std::move(native));
    return json;
}

// A server that is named by its port can also have a path.
std::string path_of(const Server& server) {
    if (!server.path.empty() || server.unix_listening.empty()) return server.path;
    return server.unix_listening.front().path;
}

Json json_end(const Endpoint& end) {
    return {{"address", json_address(end.address)}, {"port", json_port(end)}};
}

Json json_bus(const Server& server) {
    if (server.bus.empty()) return nullptr;
    return {{"port", server.bus.front().port}, {"links", server.bus_links}};
}

}  // namespace

Json json_port(const Endpoint& end) {
    return end.address.family() == Family::none ? Json(nullptr) : Json(end.port);
}

Json json_if_other(const Endpoint& end, const Endpoint& than) {
    if (end == than) return nullptr;
    return {{"address", json_address(end.address)}, {"port", json_port(end)}};
}

Json server_key(const Server& server) {
    Json key = {{"address", json_address(server.endpoint.address)},
                {"port", json_port(server.endpoint)}};
    if (!server.path.empty()) key["path"] = server.path;
    return key;
}

Json json_generator() {
    return {{"name", "connleak"}, {"version", CONNLEAK_VERSION}};
}

Json json_host(const RunFacts& head) {
    return {
        {"name", head.host_name}, {"kernel", head.kernel}, {"boot_id", text_or_null(head.boot_id)}};
}

Json json_probes(const Probes& probes) {
    return {{"sent", probes.sent},
            {"answered", probes.answered},
            {"reset", probes.reset},
            {"unanswered", probes.unanswered},
            {"restored", probes.restored}};
}

Json json_cost(const RunFacts& head, const Sample& sample) {
    return {{"wall_ms", milliseconds(head.wall_ms)},
            {"sockets_read", head.sockets_read},
            {"processes_read", sample.processes.processes_read},
            {"redis_ms", milliseconds(head.redis_ms)}};
}

void add_head(Document& document, const RunFacts& head, const Sample& sample) {
    document.member("schema_version", schema_version);
    document.member("generator", json_generator());
    document.member("generated_at", generated_at(head));
    document.member("host", json_host(head));
    document.member("complete", sample.gaps.empty());
    document.list("gaps", sample.gaps, json_gap);
}

Json json_server(const Server& value, const ServerCounts& counts) {
    const ServerAnswer& answer = value.answer;
    Json json = {
        {"kind", to_string(value.kind)},
        {"address", json_address(value.endpoint.address)},
        {"port", json_port(value.endpoint)},
        {"path", text_or_null(path_of(value))},
        {"netns", maybe(value.netns)},
        {"pid", maybe(value.pid)},
        {"through", text_or_null(value.through)},
        {"reachable", answer.asked ? Json(answer.reachable) : Json(nullptr)},
        {"error", text_or_null(answer.error)},
        {"tls", answer.tls ? Json(*answer.tls) : Json(nullptr)},
        {"version", text_or_null(answer.version)},
        {"mode", text_or_null(std::string(to_string(answer.topology.mode)))},
        {"role", text_or_null(std::string(to_string(answer.topology.role)))},
        {"master", answer.topology.master ? json_end(*answer.topology.master) : Json(nullptr)},
        {"connected_replicas", maybe(answer.topology.connected_replicas)},
        {"cluster_connections", maybe(answer.topology.cluster_connections)},
        {"cluster_bus", json_bus(value)},
        {"connected_clients", maybe(answer.connected_clients)},
        {"listed_clients", maybe(answer.listed_clients)},
        {"blocked_clients", maybe(answer.blocked_clients)},
        {"maxclients", maybe(answer.maxclients)},
        {"rejected_connections", maybe(answer.rejected_connections)},
        {"total_connections_received", maybe(answer.total_connections_received)},
        {"tcp_keepalive_s", maybe(answer.tcp_keepalive_s)},
        {"timeout_s", maybe(answer.timeout_s)},
        {"interactive_timeout_s", maybe(answer.interactive_timeout_s)},
        {"max_used_connections", maybe(answer.max_used_connections)},
        {"aborted_clients", maybe(answer.aborted_clients)},
        {"aborted_connects", maybe(answer.aborted_connects)},
        {"fd_limit", maybe(value.fd_limit)},
        {"client_list_ms",
         answer.clients_complete ? milliseconds(answer.client_list_ms) : Json(nullptr)},
        {"client_list_bytes",
         answer.clients_complete ? Json(answer.client_list_bytes) : Json(nullptr)}};
    Json verdicts = Json::object();
    for (std::size_t at = 0; at < verdict_count; ++at)
        verdicts[std::string(to_string(static_cast<Verdict>(at)))] = counts.verdict[at];
    Json keepalives = Json::object();
    for (std::size_t at = 0; at < keepalive_count; ++at)
        keepalives[std::string(to_string(static_cast<Keepalive>(at)))] = counts.keepalive[at];
    json["counts"] = std::move(verdicts);
    json["keepalive"] = std::move(keepalives);
    return json;
}

Json json_connection(const Sample& sample, const Connection& value) {
    const auto netns_of = [&](const Socket* side) {
        return side != nullptr ? Json(netns_id(sample, side->netns)) : Json(nullptr);
    };
    const auto host_of = [&](const Socket* side) {
        const PeerNamespace* peer = side != nullptr ? sample.peer(side->netns) : nullptr;
        return peer != nullptr ? host_name(sample, peer->host) : Json(nullptr);
    };
    Json evidence = Json::array();
    for (const Evidence each : value.evidence) evidence.push_back(to_string(each));
    const Server& its = sample.servers[value.server];
    // An accepted Unix socket belongs to its client's namespace (unix_stream_connect()).
    Json server_netns = value.server_socket != nullptr && !is_unix(value)
                            ? netns_of(value.server_socket)
                            : maybe(its.netns);
    Json client = {{"address", json_address(value.own_client_end().address)},
                   {"port", json_port(value.own_client_end())},
                   {"seen_as", json_if_other(value.client_end, value.own_client_end())},
                   {"netns", netns_of(value.client_socket)},
                   {"peer_host", host_of(value.client_socket)}};
    Json server = {{"address", json_address(value.server_end.address)},
                   {"port", json_port(value.server_end)},
                   {"dialled", json_if_other(value.dialled_end(), value.server_end)},
                   {"netns", std::move(server_netns)},
                   {"peer_host", host_of(value.server_socket)}};
    if (is_unix(value)) {
        client = {{"path", value.client_path}};
        server["path"] = value.client_path;
    }
    return {{"server", std::move(server)},
            {"client", std::move(client)},
            {"purpose", to_string(value.purpose)},
            {"verdict", to_string(value.verdict)},
            {"evidence", std::move(evidence)},
            {"keepalive", to_string(value.keepalive)},
            {"last_heard_ms", maybe(value.last_heard_ms)},
            {"kernel_gives_up_in_s", maybe(value.kernel_gives_up_in_s)},
            {"age_s", maybe(value.age_s)},
            {"server_socket", socket(sample, value.server_socket)},
            {"client_socket", socket(sample, value.client_socket)},
            {"listed", listed(its.kind, value.row)},
            {"group", text_or_null(value.group)},
            {"proxied_client", proxied_client(value.proxied)}};
}

Json json_process(const Sample& sample, const Holder& holder) {
    const Process& who = holder_of(sample, holder);
    return {{"pid", holder.pid},
            {"peer_host", host_name(sample, holder.host)},
            {"start_time", who.start_time != 0 ? Json(rfc3339(who.start_time)) : Json(nullptr)},
            {"comm", who.comm},
            {"command", who.command},
            {"user", text_or_null(who.user)},
            {"unit", text_or_null(who.unit)},
            {"container", text_or_null(who.container)},
            {"netns", who.netns != 0 ? Json(who.netns) : Json(nullptr)},
            {"group", who.group},
            {"server", server_key(sample.servers[holder.server])},
            {"connections", holder.connections},
            {"persistent", holder.persistent},
            {"close_wait", holder.close_wait},
            {"oldest_s", maybe(holder.oldest_s)},
            {"idle_max_s", maybe(holder.idle_max_s)},
            {"keepalive_off", holder.keepalive_off},
            {"proxy", proxy(holder.proxy)}};
}

Json json_group(const Sample& sample, const Group& value) {
    return {{"name", value.name},
            {"kind", to_string(value.kind)},
            {"peer_host", host_name(sample, value.host)},
            {"server", server_key(sample.servers[value.server])},
            {"workers", value.workers},
            {"connections", value.connections},
            {"persistent", value.persistent},
            {"per_worker_max", value.per_worker_max},
            {"max_workers", maybe(value.max_workers)},
            {"projected_connections", maybe(value.projected_connections)},
            {"proxy", proxy(value.proxy)}};
}

Json json_finding(const Sample& sample, const Finding& value) {
    return {{"code", value.code},
            {"severity", to_string(value.severity)},
            {"server", server_key(sample.servers[value.server])},
            {"count", value.count},
            {"summary", value.summary},
            {"remedy", text_or_null(value.remedy)},
            {"command", text_or_null(value.command)}};
}

}  // namespace connleak::render

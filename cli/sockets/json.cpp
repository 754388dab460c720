#include "cli/render/json_parts.h"
#include "cli/sockets/facts.h"
#include "cli/sockets/render.h"
#include "diagnosis/connections/verdict.h"

namespace connleak::render {

namespace {

Json end_json(const Endpoint& end) {
    Json json = Json::object();
    json.add("address", json_address(end.address));
    json.add("port", end.port);
    return json;
}

Json path_json(const netlink::UnixSocket& socket) {
    return {{"path", text_or_null(unix_name(socket))}};
}

// The peer of a Unix socket.
Json peer_json(const SocketRow& row, const SocketsView& view) {
    const std::uint32_t inode = row.unix_socket->peer_inode;
    const netlink::UnixSocket* peer = unix_peer(row, view);
    if (inode == 0 && peer == nullptr) return nullptr;
    return {{"path", peer != nullptr ? text_or_null(unix_name(*peer)) : Json(nullptr)},
            {"inode", inode != 0 ? Json(inode) : Json(nullptr)},
            {"owners", json_owners(view.processes, inode != 0 ? inode : peer->socket.inode)}};
}

// The clients that wait for a listener to accept.
Json pending_json(const SocketRow& row, const SocketsView& view) {
    Json list = Json::array();
    for (const std::uint32_t inode : row.unix_socket->pending) {
        const auto end = view.unix_sockets.find(inode);
        const bool seen = end != view.unix_sockets.end();
        list.push_back({{"path", seen ? text_or_null(unix_name(*end->second)) : Json(nullptr)},
                        {"inode", inode},
                        {"owners", json_owners(view.processes, inode)}});
    }
    return list;
}

Json memory_json(const std::optional<SocketMemory>& memory) {
    if (!memory) return nullptr;
    Json json = Json::object();
    json.add("rmem_alloc_bytes", memory->rmem_alloc);
    json.add("rcvbuf_bytes", memory->rcvbuf);
    json.add("wmem_alloc_bytes", memory->wmem_alloc);
    json.add("sndbuf_bytes", memory->sndbuf);
    json.add("fwd_alloc_bytes", memory->fwd_alloc);
    json.add("wmem_queued_bytes", memory->wmem_queued);
    json.add("optmem_bytes", memory->optmem);
    json.add("backlog_bytes", maybe(memory->backlog));
    json.add("drops", maybe(memory->drops));
    return json;
}

Json interface_json(const Socket& socket, const SocketsView& view) {
    if (socket.interface == 0) return nullptr;
    const auto device = view.devices.find({socket.netns, socket.interface});
    if (device != view.devices.end()) return device->second;
    return '#' + std::to_string(socket.interface);
}

void fill_count(Json& json, const cli::Count& count, std::span<const cli::CountKey> keys) {
    for (std::size_t at = 0; at < keys.size(); ++at)
        json[std::string(cli::to_string(keys[at]))] = text_or_null(count.values[at]);
    json["sockets"] = count.sockets;
    json["persistent"] = count.persistent;
    json["oldest_s"] = maybe(count.oldest_s);
}

template <typename Rows, typename Make>
void write_document(std::string_view name, const Rows& rows, std::span<const Gap> gaps,
                    const Sink& sink, const Make& make) {
    Document document(sink);
    document.member("schema_version", schema_version);
    document.member("complete", gaps.empty());
    document.list("gaps", gaps, json_gap);
    document.list(name, rows, [&](const auto& row) {
        Json json = Json::object();
        make(json, row);
        return json;
    });
    document.end();
}

// `kind` is the type of a row's object; its plural is the summary's name for their number.
template <typename Rows, typename Make>
void write_lines(const std::string& kind, const Rows& rows, std::span<const Gap> gaps,
                 const Sink& sink, const Make& make) {
    Lines lines(sink);
    for (const auto& row : rows) {
        Json json = Json::object();
        make(json, row);
        if (!lines.line(kind, json)) return;
    }
    for (const Gap& gap : gaps) lines.line("gap", json_gap(gap));
    lines.line("summary", {{"schema_version", schema_version},
                           {"complete", gaps.empty()},
                           {kind + 's', rows.size()}});
    lines.end();
}

}  // namespace

void fill_socket(Json& json, const SocketRow& row, const SocketsView& view) {
    const Socket& socket = *row.socket;
    if (row.unix_socket != nullptr) {
        json.add("protocol", "unix");
        json.add("socket_type", to_string(row.unix_socket->type));
        json.add("local", path_json(*row.unix_socket));
        json.add("peer", peer_json(row, view));
        json.add("pending", pending_json(row, view));
    } else {
        json.add("protocol", "tcp");
        json.add("family", socket.ipv6_socket ? "ipv6" : "ipv4");
        json.add("local", end_json(socket.tuple.local));
        json.add("remote", end_json(socket.tuple.remote));
        json.add("keepalive", to_string(keepalive_of(socket)));
    }
    add_socket(json, view.processes, socket);
    json.add("memory", memory_json(socket.memory));
    json.add("interface", interface_json(socket, view));
    const auto cgroup = view.cgroups.find(socket.cgroup_id);
    json.add("cgroup", cgroup != view.cgroups.end() ? Json(cgroup->second) : Json(nullptr));
    const Process* holder = holder_of(row, view.processes);
    json.add("group", holder != nullptr ? text_or_null(holder->group) : Json(nullptr));
    json.add("unit", holder != nullptr ? text_or_null(holder->unit) : Json(nullptr));
    json.add("container", holder != nullptr ? text_or_null(holder->container) : Json(nullptr));

    if (!has_uid(socket)) json["uid"] = nullptr;
    if (peer_heard_ms(socket)) return;
    // Without a peer the kernel counts these from the host's boot.
    for (const char* name : {"last_data_received_ms", "last_data_sent_ms", "last_ack_received_ms"})
        json[name] = nullptr;
}

void sockets_json(std::span<const SocketRow> rows, const SocketsView& view,
                  std::span<const Gap> gaps, const Sink& sink) {
    write_document("sockets", rows, gaps, sink,
                   [&](Json& json, const SocketRow& row) { fill_socket(json, row, view); });
}

void counts_json(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                 std::span<const Gap> gaps, const Sink& sink) {
    write_document("counts", counts, gaps, sink,
                   [&](Json& json, const cli::Count& count) { fill_count(json, count, keys); });
}

void sockets_ndjson(std::span<const SocketRow> rows, const SocketsView& view,
                    std::span<const Gap> gaps, const Sink& sink) {
    write_lines("socket", rows, gaps, sink,
                [&](Json& json, const SocketRow& row) { fill_socket(json, row, view); });
}

void counts_ndjson(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                   std::span<const Gap> gaps, const Sink& sink) {
    write_lines("count", counts, gaps, sink,
                [&](Json& json, const cli::Count& count) { fill_count(json, count, keys); });
}

}  // namespace connleak::render

#include "cli/snapshot/write.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/render/json_parts.h"
#include "cli/report/json.h"
#include "cli/sockets/render.h"
#include "diagnosis/model/report.h"

namespace connleak::render {

namespace {

Json hardware_address(const std::vector<std::uint8_t>& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", byte);
    return text_or_null(text);
}

Json link(const Link& value) {
    Json json = Json::object();
    json.add("name", value.name);
    json.add("index", value.index);
    json.add("kind", text_or_null(value.kind));
    json.add("hardware_address", hardware_address(value.hardware_address));
    json.add("master", value.master != 0 ? Json(value.master) : Json(nullptr));
    json.add("peer_netns", maybe(value.peer_netns));
    json.add("up", value.up);
    json.add("loopback", value.loopback);
    json.add("programmed", value.programmed);
    return json;
}

Json place(const Namespace& value, int passes) {
    Json json = Json::object();
    json.add("id", value.id);
    json.add("name", text_or_null(value.name));
    json.add("own", value.own);
    json.add("complete", value.complete);
    json.add("passes", passes);
    Json addresses = Json::array();
    Json prefixes = Json::array();
    std::vector<Address> told;
    for (const InterfaceAddress& each : value.addresses) {
        prefixes.push_back({{"address", json_address(each.address)},
                            {"prefix_length", each.prefix_length},
                            {"link", each.interface}});
        if (std::ranges::find(told, each.address) != told.end()) continue;
        told.push_back(each.address);
        addresses.push_back(json_address(each.address));
    }
    json.add("addresses", std::move(addresses));
    json.add("prefixes", std::move(prefixes));
    Json links = Json::array();
    for (const Link& each : value.links) links.push_back(link(each));
    json.add("links", std::move(links));
    json.add("translation", to_string(value.translation));
    json.add("translation_reason", text_or_null(value.translation_reason));
    json.add("bridge_translates", value.bridge_translates);
    return json;
}

Json process(const Process& value) {
    Json json = Json::object();
    json.add("pid", value.pid);
    json.add("start_time", value.start_time != 0 ? Json(rfc3339(value.start_time)) : Json(nullptr));
    json.add("comm", value.comm);
    json.add("command", value.command);
    json.add("user", text_or_null(value.user));
    json.add("unit", text_or_null(value.unit));
    json.add("container", text_or_null(value.container));
    json.add("netns", value.netns != 0 ? Json(value.netns) : Json(nullptr));
    json.add("group", value.group);
    json.add("group_kind", to_string(value.group_kind));
    return json;
}

Json ends(const Tuple& tuple) {
    const auto end = [](const Endpoint& value) {
        return Json{{"address", json_address(value.address)}, {"port", value.port}};
    };
    return {{"source", end(tuple.local)}, {"destination", end(tuple.remote)}};
}

// null means all ports.
Json json_ports(const std::vector<std::uint16_t>& ports) {
    if (ports.empty()) return nullptr;
    Json list = Json::array();
    for (const std::uint16_t port : ports) list.push_back(port);
    return list;
}

}  // namespace

void snapshot_json(const collect::SnapshotRead& read, const std::vector<std::uint16_t>& ports,
                   const Sink& sink) {
    Document document(sink);
    document.member("schema_version", schema_version);
    document.member("kind", "snapshot");
    document.member("generator", {{"name", "connleak"}, {"version", CONNLEAK_VERSION}});
    document.member("taken_at", rfc3339_ms(read.taken_at_ms));
    document.member("finished_at", rfc3339_ms(read.finished_at_ms));
    document.member("clock",
                    {{"boottime_ms", read.boottime_ms}, {"synchronized", read.synchronized}});
    document.member("host", {{"name", read.host.name},
                             {"kernel", read.host.kernel},
                             {"boot_id", text_or_null(read.host.boot_id)}});
    document.member("ports", json_ports(ports));
    document.member("complete", read.gaps.empty());
    document.list("gaps", read.gaps, json_gap);
    std::size_t at = 0;
    document.list("netns", read.namespaces,
                  [&](const Namespace& each) { return place(each, read.passes[at++]); });
    std::vector<const Process*> processes;
    processes.reserve(read.processes.by_pid.size());
    for (const auto& [pid, each] : read.processes.by_pid) processes.push_back(&each);
    std::ranges::sort(processes, {}, &Process::pid);
    document.list("processes", processes, [](const Process* each) { return process(*each); });

    // Before the sockets: a reader needs them to decide which sockets are relevant.
    document.list("translations", read.translations, [](const TrackedConnection& each) {
        return Json{
            {"netns", each.netns}, {"original", ends(each.original)}, {"reply", ends(each.reply)}};
    });

    SocketsView view(read.processes);
    for (const Namespace& each : read.namespaces)
        for (const Link& device : each.links)
            view.devices.emplace(std::pair(each.id, device.index), device.name);
    document.list("sockets", read.sockets, [&](const Socket& each) {
        Json json = Json::object();
        fill_socket(json, {&each, nullptr}, view);
        return json;
    });
    document.end();
}

}  // namespace connleak::render

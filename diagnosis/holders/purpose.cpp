#include "diagnosis/holders/purpose.h"

#include <algorithm>

#include "diagnosis/holders/holders.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

namespace {

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> endings) {
    return std::ranges::any_of(endings, [&](std::string_view end) { return text.ends_with(end); });
}

const Process* client_process(const Sample& sample, const Connection& connection) {
    const Socket* client = connection.client_socket;
    if (client == nullptr || client->inode == 0) return nullptr;
    const Processes& processes = sample.processes_of(client->netns);
    const auto owners = processes.owners.find(client->inode);
    return owners == processes.owners.end() ? nullptr : holder_of(processes, owners->second);
}

// As the process calls itself: "redis-server *:26379 [sentinel]", "redis-sentinel".
bool is_sentinel(const Process& process) {
    return ends_with_any(process.comm, {"-sentinel"}) ||
           ends_with_any(process.command, {" [sentinel]", " --sentinel"});
}

bool is_server(const Process& process) {
    const ServerFamily::Program* program = find_program(process.comm);
    return program != nullptr && !program->watches && program->name == process.comm;
}

}  // namespace

std::string_view to_string(Purpose purpose) {
    switch (purpose) {
        case Purpose::client:
            return "client";
        case Purpose::replication:
            return "replication";
        case Purpose::sentinel:
            return "sentinel";
        case Purpose::monitor:
            return "monitor";
    }
    return "client";
}

std::string_view to_string(ServerMode mode) {
    switch (mode) {
        case ServerMode::standalone:
            return "standalone";
        case ServerMode::cluster:
            return "cluster";
        case ServerMode::sentinel:
            return "sentinel";
        case ServerMode::unknown:
            break;
    }
    return "";
}

std::string_view to_string(ServerRole role) {
    switch (role) {
        case ServerRole::master:
            return "master";
        case ServerRole::replica:
            return "replica";
        case ServerRole::unknown:
            break;
    }
    return "";
}

Purpose purpose_of(const Sample& sample, const Connection& connection) {
    if (!can_be_asked(sample.servers[connection.server].kind)) return Purpose::client;
    const Process* process = client_process(sample, connection);
    if (const ServerClient* row = connection.row; row != nullptr && row->purpose) {
        // Any client can call itself a Sentinel; if its process is in sight, that must be one.
        const bool other =
            *row->purpose == Purpose::sentinel && process != nullptr && !is_sentinel(*process);
        return other ? Purpose::client : *row->purpose;
    }
    if (process == nullptr) return Purpose::client;
    if (is_sentinel(*process)) return Purpose::sentinel;
    return is_server(*process) ? Purpose::replication : Purpose::client;
}

std::string link_name(const Sample& sample, const Connection& connection) {
    const Server& server = sample.servers[connection.server];
    const Address& address = connection.client_end.address;
    if (connection.purpose == Purpose::sentinel) return "sentinel " + address.text();
    if (connection.purpose != Purpose::replication) return "";
    // The link's source port is arbitrary; the replica has told the master where it listens.
    const auto same = [&](const Endpoint& each) { return each.address == address; };
    const std::vector<Endpoint>& replicas = server.answer.topology.replicas;
    const auto told = std::ranges::find_if(replicas, same);
    const bool alone =
        told != replicas.end() && std::find_if(told + 1, replicas.end(), same) == replicas.end();
    return std::string(to_string(server.kind)) + " replica " +
           (alone ? told->text() : address.text());
}

}  // namespace connleak

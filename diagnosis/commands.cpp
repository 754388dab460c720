#include "diagnosis/commands.h"

#include <algorithm>

#include "diagnosis/findings.h"

namespace connleak {

namespace {

const Namespace* find(const Sample& sample, std::optional<NetnsId> id) {
    if (!id) return nullptr;
    const auto found = std::ranges::find(sample.namespaces, *id, &Namespace::id);
    return found == sample.namespaces.end() ? nullptr : &*found;
}

// jq: an address and port as ss writes them.
constexpr std::string_view endpoint_filter =
    R"jq(def e: (if .address|contains(":") then "[\(.address)]" else .address end) + ":\(.port)"; )jq";

// Names come from files below /run/netns; a name that the shell would read otherwise is quoted.
std::string quoted(const std::string& text) {
    const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.' || c == '/' || c == ':';
    });
    if (plain) return text;
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

}  // namespace

Commands::Commands(const Sample& sample, const Server& server) : sample_(sample), server_(server) {}

std::string Commands::inside(const std::string& command) const {
    const Namespace* place = find(sample_, server_.netns);
    if (place == nullptr || place->own) return command;
    if (!place->name.empty() && !place->name.contains('/'))
        return "ip netns exec " + quoted(place->name) + ' ' + command;
    if (server_.pid) return "nsenter -t " + std::to_string(*server_.pid) + " -n " + command;
    return command;
}

std::string Commands::client(const std::string& words) const {
    std::string command = server_.kind == ServerKind::valkey ? "valkey-cli" : "redis-cli";
    if (!server_.path.empty()) {
        command += " -s " + quoted(server_.path);
    } else {
        const Address& address = server_.endpoint.address;
        if (!address.is_unspecified() && address.text() != "127.0.0.1")
            command += " -h " + address.text();
        command += " -p " + std::to_string(server_.endpoint.port);
    }
    if (!words.empty()) command += ' ' + words;
    return inside(command);
}

std::string Commands::scan() const {
    return "connleak scan " + quoted(target_text(server_)) + " --json";
}

std::string Commands::kill_by_id(Verdict verdict) const {
    return scan() + " | jq -r '.connections[] | select(.verdict == \"" +
           std::string(word(verdict)) + "\" and .redis) | \"CLIENT KILL ID \\(.redis.id)\"' | " +
           client("");
}

std::string Commands::destroy_server_sockets(Verdict verdict) const {
    std::string filter(endpoint_filter);
    filter += ".connections[] | select(.verdict == \"" + std::string(word(verdict)) + "\") | ";
    filter += R"jq("src \(.server|e) dst \(.client|e)")jq";
    return scan() + " | jq -r '" + filter + "' | while read -r tuple; do " +
           inside("ss -K state established $tuple") + "; done";
}

std::string Commands::destroy_client_sockets(Verdict verdict) const {
    std::string filter(endpoint_filter);
    filter += ".connections[] | select(.verdict == \"" + std::string(word(verdict)) + "\") | ";
    filter += R"jq("\(.client_socket.owners[0].pid) src \(.client|e) dst \(.server|e)")jq";
    return scan() + " | jq -r '" + filter +
           "' | while read -r pid tuple; do nsenter -t $pid -n ss -K state established $tuple; "
           "done";
}

}  // namespace connleak

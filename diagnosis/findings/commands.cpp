#include "diagnosis/findings/commands.h"

#include <algorithm>

#include "diagnosis/findings/findings.h"

namespace connleak {

namespace {

const Namespace* find(const Sample& sample, std::optional<NetnsId> id) {
    if (!id) return nullptr;
    const auto found = std::ranges::find(sample.namespaces, *id, &Namespace::id);
    return found == sample.namespaces.end() ? nullptr : &*found;
}

// jq: an address and port in ss's notation, and the server's endpoint as its client sees it.
constexpr std::string_view endpoint_filter =
    R"jq(def e: (if .address|contains(":") then "[\(.address)]" else .address end) + ":\(.port)"; )jq"
    R"jq(def d: .dialled // .; )jq";

// Names come from files below /run/netns and paths from the command line, so shell metacharacters
// are quoted. Control characters and non-ASCII bytes become $'\n' (bash, ksh, zsh): a command is
// always one line of plain text.
std::string quoted(std::string_view text) {
    const auto plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.' || c == '/' || c == ':';
    };
    const auto shown = [](char c) { return c >= ' ' && c <= '~'; };
    if (!text.empty() && std::ranges::all_of(text, plain)) return std::string(text);
    const bool escaped = !std::ranges::all_of(text, shown);
    std::string result = escaped ? "$'" : "'";
    for (const char c : text) {
        constexpr std::string_view digits = "01234567";
        const auto byte = static_cast<unsigned char>(c);
        if (!shown(c)) {
            // Octal has a fixed length; \x would include following hex digits.
            for (const char digit :
                 {'\\', digits[byte >> 6U], digits[(byte >> 3U) & 7U], digits[byte & 7U]})
                result += digit;
        } else if (c == '\'') {
            result += escaped ? "\\'" : "'\\''";
        } else if (c == '\\' && escaped) {
            result += "\\\\";
        } else {
            result += c;
        }
    }
    return result + "'";
}

std::string option(std::string_view name, const std::string& value) {
    return ' ' + std::string(name) + ' ' + value;
}

}  // namespace

Commands::Commands(const Sample& sample, const Server& server) : sample_(sample), server_(server) {}

std::string Commands::inside(const std::string& command) const {
    return inside(server_.netns, command);
}

std::string Commands::inside(std::optional<NetnsId> netns, const std::string& command) const {
    const Namespace* place = find(sample_, netns);
    if (place == nullptr || place->own) return command;
    constexpr std::string_view docker = "docker/";
    if (place->name.starts_with(docker))
        return "nsenter --net=" + quoted("/run/docker/netns/" + place->name.substr(docker.size())) +
               ' ' + command;
    if (!place->name.empty() && !place->name.contains('/'))
        return "ip netns exec " + quoted(place->name) + ' ' + command;
    std::optional<std::int32_t> inhabitant = netns == server_.netns ? server_.pid : std::nullopt;
    if (!inhabitant) {
        for (const auto& [pid, process] : sample_.processes.by_pid)
            if (process.netns == netns) inhabitant = std::min(inhabitant.value_or(pid), pid);
    }
    if (!inhabitant) return "";
    return "nsenter -t " + std::to_string(*inhabitant) + " -n " + command;
}

std::string Commands::tls_words() const {
    std::string text;
    for (const std::string& word : sample_.tls_words) text += ' ' + quoted(word);
    return text;
}

// The host and port that the client program connects to.
std::string Commands::way(const ServerFamily& family) const {
    const ServerFamily::Client& options = family.client;
    const bool by_socket = family.asking.unix_socket_first && server_.answer.asked &&
                           !server_.answer.own_connection && !server_.unix_listening.empty();
    const std::string socket = !server_.path.empty() ? server_.path
                               : by_socket           ? server_.unix_listening.front().path
                                                     : "";
    if (!socket.empty()) return option(options.socket, quoted(socket));
    const Address& address = server_.endpoint.address;
    const std::string host = address.is_unspecified() ? "127.0.0.1" : address.text();
    std::string text;
    if (options.host_always || host != "127.0.0.1") text += option(options.host, host);
    return text + option(options.port, std::to_string(server_.endpoint.port));
}

std::string Commands::login(const ServerFamily& family) const {
    const ServerFamily::Client& options = family.client;
    std::string text;
    if (!options.login_file.empty() && !sample_.defaults_file.empty())
        text += ' ' + std::string(options.login_file) + '=' + quoted(sample_.defaults_file);
    if (!server_.user.empty()) text += option(options.user, quoted(server_.user));
    // No program reads the file of --pass-file.
    if (sample_.password_asked || !sample_.password_file.empty())
        text += ' ' + std::string(options.ask_password);
    return text;
}

std::string Commands::client(const std::string& statement) const {
    const ServerFamily& family = family_of(server_.kind);
    const ServerFamily::Client& options = family.client;
    std::string command(kind_row(server_.kind).client);
    if (command.empty() || server_.path_elsewhere) return "";
    if (options.login_first) command += login(family);
    command += way(family);
    if (server_.tls && !options.tls.empty())
        command += ' ' + std::string(options.tls) + tls_words();
    if (!options.login_first) command += login(family);
    if (!statement.empty())
        command += options.statement.empty() ? ' ' + statement
                                             : option(options.statement, quoted(statement));
    return inside(command);
}

std::string Commands::set(std::string_view setting, std::int64_t value) const {
    const std::string statement = family_of(server_.kind).set(setting, value);
    return statement.empty() ? "" : client(statement);
}

std::string Commands::connleak(const std::string& verb, const std::string& words) const {
    std::string command = "connleak " + verb + ' ' + quoted(target_text(server_));
    if (!server_.user.empty()) command += " --user " + quoted(server_.user);
    if (server_.answer.asked && !sample_.password_file.empty())
        command += " --pass-file " + quoted(sample_.password_file);
    if (server_.answer.asked && sample_.password_asked) command += " --askpass";
    const ServerFamily& family = family_of(server_.kind);
    if (family.asking.own_login_files && !sample_.defaults_file.empty())
        command += " --defaults-file " + quoted(sample_.defaults_file);
    if (server_.tls && family.tls_scheme.empty()) command += " --tls";
    if (server_.tls) command += tls_words();
    for (const std::string& file : sample_.snapshot_files)
        command += " --peer-snapshot " + quoted(file);
    if (!words.empty()) command += ' ' + words;
    // A loopback address is a different host in each namespace.
    return server_.endpoint.address.is_loopback() ? inside(command) : command;
}

std::string Commands::chosen(Verdict verdict) const {
    std::string condition = ".verdict == \"" + std::string(to_string(verdict)) + '"';
    // Client ids start at 1 on every server, and addresses can occur twice: only this server's
    // connections may be closed at this server.
    if (!server_.netns) return condition;
    condition += " and .server.netns == " + std::to_string(*server_.netns);
    const bool shared = std::ranges::any_of(sample_.servers, [&](const Server& other) {
        return &other != &server_ && other.netns == server_.netns &&
               std::ranges::any_of(other.listening, [&](const Endpoint& end) {
                   return std::ranges::find(server_.listening, end.port, &Endpoint::port) !=
                          server_.listening.end();
               });
    });
    if (shared && server_.pid)
        condition +=
            " and any(.server_socket.owners[]?; .pid == " + std::to_string(*server_.pid) + ")";
    return condition;
}

std::string Commands::destroy_client_sockets(Verdict verdict) const {
    const std::string report = connleak("scan", "--json");
    if (report.empty()) return "";
    std::string filter(endpoint_filter);
    filter += ".connections[] | select(" + chosen(verdict) + " and .client_socket.owners[0]) | ";
    filter += R"jq("\(.client_socket.owners[0].pid) \(.client|e) \(.server|d|e)")jq";
    return report + " | jq -r '" + filter +
           "' | while read -r pid client server; do nsenter -t \"$pid\" -n ss -K state established "
           "src \"$client\" dst \"$server\"; done";
}

}  // namespace connleak

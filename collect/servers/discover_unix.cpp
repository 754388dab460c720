#include "collect/servers/discover_unix.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "probes/proc/unix_reach.h"

namespace connleak::collect {

namespace {

Server unknown_server(const std::string& path, const Listeners& listeners, NetnsId home) {
    Server server;
    server.path = path;
    server.netns = home;
    for (const UnixSocket& socket : listeners.unix_listening) {
        if (probes::unix_path_text(0, socket.name) == path)
            server.unix_listening.push_back(
                {socket.socket.inode, socket.socket.netns, socket.name, path});
    }
    return server;
}

}  // namespace

void listen_by_unix(const Listeners& listeners, const probes::ServerProcess& process,
                    Server& server) {
    for (const UnixSocket& socket : listeners.unix_listening) {
        const bool held =
            std::ranges::find(process.listeners, socket.socket.inode) != process.listeners.end();
        const bool titled = process.hidden && !process.title_path.empty() &&
                            process.title_path == socket.name &&
                            (process.netns == 0 || process.netns == socket.socket.netns);
        if (!held && !titled) continue;
        server.unix_listening.push_back({socket.socket.inode, socket.socket.netns, socket.name,
                                         probes::unix_path_text(process.pid, socket.name)});
    }
    if (!server.listening.empty() || server.unix_listening.empty()) return;
    // Others reach it by a path; of several the first by name is used, so that the name is stable.
    const UnixListener& first =
        *std::ranges::min_element(server.unix_listening, {}, [](const UnixListener& each) {
            return std::tuple(!each.path.starts_with('/'), each.path);
        });
    server.path = first.path;
    server.netns = first.netns;
    const auto file = probes::open_unix_file(process.pid, first.name);
    server.path_elsewhere = file ? file->elsewhere : first.path.starts_with('/');
}

std::vector<Server> servers_at(const std::string& path, const Listeners& listeners, NetnsId home) {
    std::vector<Server> here;
    std::vector<Server> elsewhere;
    for (const probes::ServerProcess& process : listeners.processes) {
        Server server;
        listen_by_unix(listeners, process, server);
        for (UnixListener& listener : server.unix_listening) {
            std::optional<bool> is_elsewhere;
            if (path.starts_with('@')) {
                if (listener.path == path) is_elsewhere = listener.netns != home;
            } else if (const auto file = probes::open_unix_file(process.pid, listener.name)) {
                const bool meant = probes::leads_to(path, file->file);
                if (meant || listener.path == path) is_elsewhere = !meant;
            } else if (listener.path == path) {
                is_elsewhere = true;
            }
            if (!is_elsewhere) continue;
            server.kind = process.kind;
            server.pid = process.pid;
            server.netns = listener.netns;
            server.path = listener.path = path;
            server.path_elsewhere = *is_elsewhere;
            // Name it by the requested path, whichever others exist.
            std::swap(server.unix_listening.front(), listener);
            (*is_elsewhere ? elsewhere : here).push_back(std::move(server));
            break;
        }
    }
    if (!here.empty()) return here;
    Server server = unknown_server(path, listeners, home);
    if (elsewhere.empty() || probes::is_unix_socket(path)) {
        elsewhere.clear();
        elsewhere.push_back(std::move(server));
    }
    return elsewhere;
}

}  // namespace connleak::collect

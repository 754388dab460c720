// A handful of sockets and processes for the tests of `connleak sockets`.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sockets/columns.h"
#include "cli/sockets/render.h"

namespace connleak::test {

class SocketsWorld {
  public:
    Processes processes;
    std::deque<Socket> sockets;
    std::deque<netlink::UnixSocket> unix_sockets;
    std::vector<render::SocketRow> rows;
    render::SocketsView view{processes};

    Socket& add(std::string_view local, std::string_view remote, State state = State::established) {
        Socket& socket = sockets.emplace_back();
        socket.netns = 7;
        socket.tuple = {*Endpoint::parse(local), *Endpoint::parse(remote)};
        socket.state = state;
        socket.cookie = 0xc0 + sockets.size();
        rows.push_back({&socket, nullptr});
        return socket;
    }

    netlink::UnixSocket& add_unix(std::string name, std::uint32_t inode, std::uint32_t peer) {
        netlink::UnixSocket& socket = unix_sockets.emplace_back();
        socket.socket.netns = 7;
        socket.socket.state = State::established;
        socket.socket.inode = inode;
        socket.name = std::move(name);
        socket.peer_inode = peer;
        rows.push_back({&socket.socket, &socket});
        view.unix_sockets.emplace(inode, &socket);
        return socket;
    }

    Process& hold(std::uint32_t inode, std::int32_t pid, std::int32_t fd, std::string comm) {
        processes.owners[inode].push_back({pid, fd});
        Process& process = processes.by_pid[pid];
        process.pid = pid;
        process.start_time = 1000 + pid;
        process.comm = comm;
        process.group = std::move(comm);
        return process;
    }

    [[nodiscard]] std::string cell(std::size_t row, std::string_view column) const {
        std::string text;
        render::find_column(column)->text(rows[row], view, text);
        return text;
    }

    [[nodiscard]] std::string table(std::string_view names, render::SocketsLook look = {}) const {
        std::vector<const render::Column*> columns;
        while (!names.empty()) {
            const std::size_t end = std::min(names.find(' '), names.size());
            columns.push_back(render::find_column(names.substr(0, end)));
            names.remove_prefix(std::min(end + 1, names.size()));
        }
        std::string text;
        render::sockets_table(rows, view, columns, look, keep(text));
        return text;
    }

    // A sink that keeps everything.
    static render::Sink keep(std::string& text) {
        return [&text](std::string_view part) {
            text += part;
            return true;
        };
    }
};

}  // namespace connleak::test

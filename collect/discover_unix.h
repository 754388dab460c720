// The Unix sockets that servers listen on, in all namespaces: whose they are, and which of them a
// TARGET means.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "collect/session.h"
#include "diagnosis/model/records.h"
#include "probes/proc/server_processes.h"

namespace connleak::collect {

class UnixDiscovery {
  public:
    explicit UnixDiscovery(Session& session);

    void add_inodes(std::unordered_set<std::uint32_t>& listening) const;
    // Those that were accepted from a listener, by inode.
    [[nodiscard]] std::unordered_set<std::uint32_t> accepted() const;

    // Gives the server the Unix sockets that the process listens on, and names it by one of them
    // when it listens nowhere else.
    void listen_as(const probes::ServerProcess& process, Server& server) const;

    // What unix:PATH or unix:@NAME means: the server at that path of our own mount namespace, else
    // each server with this path in another. One that no process in sight is known to be is asked
    // all the same.
    [[nodiscard]] std::vector<Server> servers_at(const std::string& path,
                                                 std::span<const probes::ServerProcess> all) const;

  private:
    [[nodiscard]] Server unknown_server(const std::string& path) const;

    const Session& session_;
    std::vector<UnixSocket> listeners_;
    std::vector<UnixSocket> connected_;  // those with a name
};

}  // namespace connleak::collect

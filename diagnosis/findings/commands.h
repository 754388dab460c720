// The commands that findings print, complete and ready to paste into a root shell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/model/report.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

// Each is "" where it could not be run in the right place: the namespace cannot be entered.
class Commands {
  public:
    Commands(const Sample& sample, const Server& server);

    // `connleak VERB TARGET` for this server, with the login of this run (--user, --pass-file;
    // never a password); then `words`.
    [[nodiscard]] std::string connleak(const std::string& verb,
                                       const std::string& words = "") const;

    // The server's own client program (redis-cli, mysql) with host, port, login and, if needed, the
    // namespace, followed by the statement: a Redis command or SQL. "" for a service without a
    // client program.
    [[nodiscard]] std::string client(const std::string& statement) const;
    // The same for changing a setting of the running server.
    [[nodiscard]] std::string set(std::string_view setting, std::int64_t value) const;
    // Closes the clients' sockets of one verdict in the namespaces that hold them (ss -K).
    [[nodiscard]] std::string destroy_client_sockets(Verdict verdict) const;
    // Runs `command` in the server's namespace if that is not ours.
    [[nodiscard]] std::string inside(const std::string& command) const;
    // The same for any namespace.
    [[nodiscard]] std::string inside(std::optional<NetnsId> netns,
                                     const std::string& command) const;

  private:
    [[nodiscard]] std::string tls_words() const;
    [[nodiscard]] std::string way(const ServerFamily& family) const;
    [[nodiscard]] std::string login(const ServerFamily& family) const;
    // jq filter: selects this server's connections of one verdict from a report that may cover
    // several servers.
    [[nodiscard]] std::string chosen(Verdict verdict) const;

    const Sample& sample_;
    const Server& server_;
};

}  // namespace connleak

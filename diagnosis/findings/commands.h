// The commands that a finding tells a person to type, complete and ready to be pasted into a root
// shell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/model/report.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

// Each is "" where it could only be run in the wrong place: in a namespace that nothing can enter.
class Commands {
  public:
    Commands(const Sample& sample, const Server& server);

    // `connleak VERB TARGET` for this server, with the login of this run (--user, --pass-file;
    // never a password); then `words`.
    [[nodiscard]] std::string connleak(const std::string& verb,
                                       const std::string& words = "") const;

    // The server's own client program (redis-cli, mysql) with host, port, login and, where needed,
    // the namespace; then what it is to say to the server: a command of Redis, SQL. "" for a
    // service that has none.
    [[nodiscard]] std::string client(const std::string& statement) const;
    // The same for a setting of the running server.
    [[nodiscard]] std::string set(std::string_view setting, std::int64_t value) const;
    // Closes the clients' own sockets of one verdict in the namespaces that hold them (ss -K).
    [[nodiscard]] std::string destroy_client_sockets(Verdict verdict) const;
    // Runs `command` in the server's namespace when that is not ours.
    [[nodiscard]] std::string inside(const std::string& command) const;
    // The same for any namespace.
    [[nodiscard]] std::string inside(std::optional<NetnsId> netns,
                                     const std::string& command) const;

  private:
    [[nodiscard]] std::string tls_words() const;
    [[nodiscard]] std::string way(const ServerFamily& family) const;
    [[nodiscard]] std::string login(const ServerFamily& family) const;
    // jq: what selects this server's connections of one verdict from a report that may tell of
    // several servers.
    [[nodiscard]] std::string chosen(Verdict verdict) const;

    const Sample& sample_;
    const Server& server_;
};

}  // namespace connleak

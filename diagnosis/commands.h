// The commands that a finding tells a person to type, complete and ready to be pasted into a root
// shell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/report.h"

namespace connleak {

// Each is "" where it could only be run in the wrong place: in a namespace that nothing can enter.
class Commands {
  public:
    Commands(const Sample& sample, const Server& server);

    // connleak scan of this server, or after a verification verify; then `words`.
    [[nodiscard]] std::string scan(const std::string& words) const;
    // What a verification has shown only another one shows again.
    void repeat_verification() { verb_ = "verify"; }

    // redis-cli (or valkey-cli) with host, port and, where needed, the namespace; then `words`.
    [[nodiscard]] std::string client(const std::string& words) const;
    // Closes the connections of one verdict by the server's own ids: an id is never used again, so
    // no other connection can be hit.
    [[nodiscard]] std::string kill_by_id(Verdict verdict) const;
    // Closes them in the server's kernel (ss -K), for a server that takes no logins.
    [[nodiscard]] std::string destroy_server_sockets(Verdict verdict) const;
    // The same for the clients' own sockets in the namespaces that hold them.
    [[nodiscard]] std::string destroy_client_sockets(Verdict verdict) const;
    // Runs `command` in the server's namespace when that is not ours.
    [[nodiscard]] std::string inside(const std::string& command) const;
    // The same for any namespace.
    [[nodiscard]] std::string inside(std::optional<NetnsId> netns,
                                     const std::string& command) const;

  private:
    // jq: what selects this server's connections of one verdict from a report that may tell of
    // several servers.
    [[nodiscard]] std::string chosen(Verdict verdict) const;

    const Sample& sample_;
    const Server& server_;
    std::string_view verb_ = "scan";
};

}  // namespace connleak

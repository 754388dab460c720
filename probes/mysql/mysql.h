// A conversation with MySQL or MariaDB through libmariadb (MariaDB Connector/C): settings,
// counters, process list. A build without the library compiles absent.cpp instead of
// session.cpp and queries.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/conversation.h"

namespace connleak::probes {

// "" if this build can ask MySQL servers, else why not.
std::string_view why_no_mysql();

class MysqlConversation final : public Conversation {
  public:
    MysqlConversation(std::string scope, Credentials credentials, Limits limits);
    ~MysqlConversation() override;  // sends COM_QUIT, so that the server counts no aborted client

    ServerAnswer ask(const Endpoint& server, const RunInside& inside) override;
    ServerAnswer ask_unix(const std::string& path, const RunInside& inside) override;
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const override;
    std::optional<std::vector<ServerClient>> clients_again() override;
    // Looks for our first connection in the process list that the second one reads.
    bool same_server_again() override;
    std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t> ids) override;
    // KILL CONNECTION for each of these.
    std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids) override;
    std::string set_config(std::string_view name, std::string_view value) override;  // SET GLOBAL

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::probes

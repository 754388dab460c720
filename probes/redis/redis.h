// A conversation with a Redis-compatible server through hiredis: INFO, CONFIG GET, CLIENT LIST, in
// that order, every read bounded in bytes and in time. A server that refuses, hangs, breaks off or
// talks garbage leaves an answer with gaps, never an exception.
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

class RedisConversation final : public Conversation {
  public:
    RedisConversation(std::string scope, Credentials credentials, Limits limits, TlsUse tls = {});
    ~RedisConversation() override;  // closes with a reset, so that no TIME-WAIT is left behind

    ServerAnswer ask(const Endpoint& server, const RunInside& inside) override;
    ServerAnswer ask_unix(const std::string& path, const RunInside& inside) override;
    ServerAnswer ask(const Endpoint& server, const OpenSocket& open_socket);
    ServerAnswer ask_unix(const std::string& path, const OpenSocket& open_socket);
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const override;
    std::optional<std::vector<ServerClient>> clients_again() override;
    bool same_server_again() override;  // by its run_id
    // The run_id that a second connection tells. "" when it could not be had.
    std::string run_id_again();
    // CLIENT LIST ID, and for a server older than Redis 6.2 out of the whole list.
    std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t> ids) override;
    // CLIENT KILL ID for each of these, sent together.
    std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids) override;
    std::string set_config(std::string_view name, std::string_view value) override;  // CONFIG SET

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::probes

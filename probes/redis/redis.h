// A conversation with a Redis-compatible server through hiredis: INFO, CONFIG GET, CLIENT LIST, in
// that order. Every read is bounded in bytes and in time. A server that refuses, hangs, disconnects
// or sends garbage leaves an answer with gaps, never an exception.
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
    ~RedisConversation() override;  // closes with a reset, so that no TIME-WAIT socket remains

    ServerAnswer ask(const Endpoint& server, const RunInside& inside) override;
    ServerAnswer ask_unix(const std::string& path, const RunInside& inside) override;
    ServerAnswer ask(const Endpoint& server, const OpenSocket& open_socket);
    ServerAnswer ask_unix(const std::string& path, const OpenSocket& open_socket);
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const override;
    std::optional<std::vector<ServerClient>> clients_again() override;
    bool same_server_again() override;  // by its run_id
    // The run_id read on a second connection; "" if it could not be read.
    std::string run_id_again();
    // CLIENT LIST ID; on servers older than Redis 6.2, filtered from the whole list.
    std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t> ids) override;
    // CLIENT KILL ID for each of these, sent in one batch.
    std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids) override;
    std::string set_config(std::string_view name, std::string_view value) override;  // CONFIG SET

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::probes

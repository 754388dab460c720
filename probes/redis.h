// A conversation with a Redis-compatible server through hiredis: INFO, CONFIG GET, CLIENT LIST, in
// that order, every read bounded in bytes and in time. A server that refuses, hangs, breaks off or
// talks garbage leaves an answer with gaps, never an exception.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/records.h"
#include "probes/tls.h"

namespace connleak::probes {

struct Credentials {
    std::string user;      // "" for the default user
    std::string password;  // "" for no login
};

struct RedisLimits {
    std::chrono::milliseconds step{3000};    // connect, and each answer
    std::chrono::milliseconds total{12000};  // the whole conversation, second looks included
    std::uint64_t bytes = 256ULL << 20;      // of one reply
};

// Opens a TCP socket of the family (AF_INET, AF_INET6) or a Unix one; -1 and errno on failure. Lets
// the caller open it inside the server's network namespace.
using OpenSocket = std::function<int(int family)>;

// What became of one CLIENT KILL ID.
struct KillAnswer {
    bool killed = false;
    std::string refusal;  // the server's own words, one line; "" and not killed: no such client
};

class RedisConversation {
  public:
    // `scope` names the server in gaps: "10.0.0.1:6379".
    RedisConversation(std::string scope, Credentials credentials, RedisLimits limits,
                      TlsUse tls = {});
    RedisConversation(RedisConversation&&) noexcept;
    RedisConversation& operator=(RedisConversation&&) noexcept;
    ~RedisConversation();  // closes with a reset, so that no TIME-WAIT is left behind

    // Connects, logs in and asks everything. Never throws for what the server or the network does.
    // The connection stays open for the second look.
    ServerAnswer ask(const Endpoint& server, const OpenSocket& open_socket);
    ServerAnswer ask_unix(const std::string& path, const OpenSocket& open_socket);

    // CLIENT LIST again on the same connection. std::nullopt when it could not be had whole.
    std::optional<std::vector<ServerClient>> clients_again();

    // Opens a second connection and tells the run_id of the server that answers there: two servers
    // behind one address are told apart by it. "" when it could not be had.
    std::string run_id_again();

    // What follows is for the verbs that act. Each may take RedisLimits::total once more.

    // The rows of these clients as they are now, on the same connection: CLIENT LIST ID, and for a
    // server older than Redis 6.2 out of the whole list. One that has no row is gone. std::nullopt
    // when they could not be had.
    std::optional<std::vector<ServerClient>> clients_by_id(std::span<const std::uint64_t> ids);

    // CLIENT KILL ID for each of these, sent together. An id is never used again, so no other
    // client can be hit. Answers in the same order; fewer when the connection broke on the way.
    std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids);

    // CONFIG SET. "" when it was set, else what the server said, in one line.
    std::string set_config(std::string_view name, std::string_view value);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::probes

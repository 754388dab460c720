// A conversation with a Redis-compatible server through hiredis: INFO, CONFIG GET, CLIENT LIST, in
// that order, every read bounded in bytes and in time. A server that refuses, hangs, breaks off or
// talks garbage leaves an answer with gaps, never an exception.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "diagnosis/records.h"

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

class RedisConversation {
  public:
    // `scope` names the server in gaps: "10.0.0.1:6379".
    RedisConversation(std::string scope, Credentials credentials, RedisLimits limits);
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

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace connleak::probes

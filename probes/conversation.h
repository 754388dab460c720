// A conversation with one server of any family: the first queries, the recheck, and what the verbs
// that act ask. Every read is bounded in bytes and in time. A server that refuses, hangs,
// disconnects or sends garbage leaves an answer with gaps, never an exception.
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

#include "diagnosis/model/records.h"
#include "probes/tls/tls.h"

namespace connleak::probes {

struct Credentials {
    std::string user;      // "" for the default user
    std::string password;  // "" for no login, or for the one in the client's own files
    // Members with braces can be left out of an initializer list without a warning.
    // NOLINTBEGIN(readability-redundant-member-init)
    std::string second_password{};  // MySQL: tried when the first login is denied
    // MySQL's option file (--defaults-file), read instead of the usual ones; "" for the usual ones.
    std::string defaults_file{};
    std::optional<TlsSettings> tls{};  // for MySQL only, whose library implements TLS itself
    // NOLINTEND(readability-redundant-member-init)
};

struct Limits {
    std::chrono::milliseconds step{3000};    // timeout of connect() and of each answer
    std::chrono::milliseconds total{12000};  // of the whole conversation, rechecks included
    std::uint64_t bytes = 256ULL << 20;      // of one reply
};

// Opens a TCP socket of the family (AF_INET, AF_INET6) or a Unix socket; -1 and errno on failure.
// The caller can thus open it inside the server's network namespace.
using OpenSocket = std::function<int(int family)>;

// Runs the work inside the server's network namespace. Returns 0, or the errno of entering it.
using RunInside = std::function<int(const std::function<void()>& work)>;
OpenSocket open_inside(const RunInside& inside);

// The process that listens at the other end of a connected Unix socket (unix(7), SO_PEERCRED), as a
// pid of our own pid namespace.
std::optional<std::int32_t> peer_of(int descriptor);

// Both ends of a connected TCP socket.
std::optional<Tuple> tuple_of(int descriptor);

// The result of closing one client.
struct KillAnswer {
    bool killed = false;
    std::string refusal;  // the server's message, one line; "" and not killed: no such client
};

inline constexpr const char* lacks_everything =
    "all that the server itself knows: its client list and its settings";

class Conversation {
  public:
    Conversation() = default;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    virtual ~Conversation() = default;

    // Connects, logs in and sends all queries. Never throws because of the server or the network.
    // The connection stays open for the recheck.
    virtual ServerAnswer ask(const Endpoint& server, const RunInside& inside) = 0;
    // `path`: a file's path, or "@" and an abstract name.
    virtual ServerAnswer ask_unix(const std::string& path, const RunInside& inside) = 0;
    // The process at the other end of the Unix socket.
    [[nodiscard]] virtual std::optional<std::int32_t> peer_pid() const = 0;

    // Reads the client list again on the same connection. std::nullopt if it cannot be read whole.
    virtual std::optional<std::vector<ServerClient>> clients_again() = 0;

    // Opens a second connection and returns whether the same server answers there: one address can
    // lead to several servers.
    virtual bool same_server_again() = 0;

    // The functions below are for the verbs that act. Each may take Limits::total once more.

    // The current rows of these clients, read on the same connection. A client without a row is
    // gone. std::nullopt if they cannot be read.
    virtual std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t> ids) = 0;

    // Closes these clients. A server never reuses an id while it runs, so no other client can be
    // closed. Answers are in the same order; fewer if the connection failed meanwhile.
    virtual std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids) = 0;

    // Changes a setting of the running server. Returns "" on success, else the server's message in
    // one line.
    virtual std::string set_config(std::string_view name, std::string_view value) = 0;
};

// A conversation in the protocol of this kind; not for ServerKind::tcp. `scope` names the server in
// gaps: "10.0.0.1:6379".
std::unique_ptr<Conversation> make_conversation(ServerKind kind, std::string scope,
                                                Credentials credentials, Limits limits,
                                                TlsUse tls = {});

}  // namespace connleak::probes

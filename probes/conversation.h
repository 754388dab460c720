// A conversation with one server, whatever it speaks: what it is asked once, what the second look
// and the verbs that act ask it again. Every read is bounded in bytes and in time; a server that
// refuses, hangs, breaks off or talks garbage leaves an answer with gaps, never an exception.
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
    std::string password;  // "" for no login, or for what the client's own files say
    // Those with braces may be left out of a list of initializers without a warning.
    // NOLINTBEGIN(readability-redundant-member-init)
    std::string second_password{};  // MySQL: tried when the first login was denied
    // MySQL's option file that is read instead of the usual ones (--defaults-file); "" for these.
    std::string defaults_file{};
    std::optional<TlsSettings> tls{};  // for MySQL, whose library has its own TLS
    // NOLINTEND(readability-redundant-member-init)
};

struct Limits {
    std::chrono::milliseconds step{3000};    // connect, and each answer
    std::chrono::milliseconds total{12000};  // the whole conversation, second looks included
    std::uint64_t bytes = 256ULL << 20;      // of one reply
};

// Opens a TCP socket of the family (AF_INET, AF_INET6) or a Unix one; -1 and errno on failure. Lets
// the caller open it inside the server's network namespace.
using OpenSocket = std::function<int(int family)>;

// Runs the work inside the server's network namespace. 0, or the errno that kept it out.
using RunInside = std::function<int(const std::function<void()>& work)>;
OpenSocket open_inside(const RunInside& inside);

// Who listens at the other end of a connected Unix socket (unix(7), SO_PEERCRED), as a pid of our
// own pid namespace.
std::optional<std::int32_t> peer_of(int descriptor);

// Both ends of a connected TCP socket.
std::optional<Tuple> tuple_of(int descriptor);

// What became of one client that was to be closed.
struct KillAnswer {
    bool killed = false;
    std::string refusal;  // the server's own words, one line; "" and not killed: no such client
};

inline constexpr const char* lacks_everything =
    "all that the server itself knows: its client list and its settings";

class Conversation {
  public:
    Conversation() = default;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    virtual ~Conversation() = default;

    // Connects, logs in and asks everything. Never throws for what the server or the network does.
    // The connection stays open for the second look.
    virtual ServerAnswer ask(const Endpoint& server, const RunInside& inside) = 0;
    // By a path, or "@" and an abstract name.
    virtual ServerAnswer ask_unix(const std::string& path, const RunInside& inside) = 0;
    // Who was at the other end of the Unix socket.
    [[nodiscard]] virtual std::optional<std::int32_t> peer_pid() const = 0;

    // The client list again on the same connection. std::nullopt when it could not be had whole.
    virtual std::optional<std::vector<ServerClient>> clients_again() = 0;

    // Opens a second connection and tells whether the same server answers there: several can stand
    // behind one address.
    virtual bool same_server_again() = 0;

    // What follows is for the verbs that act. Each may take Limits::total once more.

    // The rows of these clients as they are now, on the same connection. One that has no row is
    // gone. std::nullopt when they could not be had.
    virtual std::optional<std::vector<ServerClient>> clients_by_id(
        std::span<const std::uint64_t> ids) = 0;

    // Closes these clients. An id is never used again while the server runs, so no other client can
    // be hit. Answers in the same order; fewer when the connection broke on the way.
    virtual std::vector<KillAnswer> kill_clients(std::span<const std::uint64_t> ids) = 0;

    // Changes a setting of the running server. "" when it was set, else what the server said, in
    // one line.
    virtual std::string set_config(std::string_view name, std::string_view value) = 0;
};

// One that speaks the language of the kind; not for ServerKind::tcp. `scope` names the server in
// gaps: "10.0.0.1:6379".
std::unique_ptr<Conversation> make_conversation(ServerKind kind, std::string scope,
                                                Credentials credentials, Limits limits,
                                                TlsUse tls = {});

}  // namespace connleak::probes

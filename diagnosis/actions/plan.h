// What `reap` and `protect` would do: one action per connection, decided from the report only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/report.h"

namespace connleak {

enum class Method : std::uint8_t {
    kill,       // CLIENT KILL ID, by the server
    destroy,    // SOCK_DESTROY, by the server's kernel
    keepalive,  // SO_KEEPALIVE and its times, on the socket itself
};
std::string_view to_string(Method method);

enum class MethodChoice : std::uint8_t { automatic, kill, destroy };

enum class Outcome : std::uint8_t { done, skipped, failed };
std::string_view to_string(Outcome outcome);

struct Action {
    const Connection* connection = nullptr;  // of the report
    Method method = Method::kill;
    bool planned = true;             // false: the requested method cannot be used
    std::optional<Outcome> outcome;  // set once it was tried
    std::string reason;              // why it is not planned, was skipped or failed; one line

    void end(Outcome how, std::string why = "") {
        outcome = how;
        reason = std::move(why);
    }
};

struct Totals {
    std::uint64_t planned = 0;
    std::uint64_t done = 0;
    std::uint64_t skipped = 0;
    std::uint64_t failed = 0;
};

struct Plan {
    std::vector<Action> actions;   // by server, longest silent first
    std::uint64_t beyond_max = 0;  // connections left for a later run because of --max
    // Of plan_protect(): connections that turned out to have keepalive when looked at closely.
    std::vector<const Connection*> already;

    [[nodiscard]] Totals totals() const;
};

// Milliseconds since the peer was last heard, from the kernel or else from the server's list.
std::int64_t silent_ms(const Connection& connection);

// Server-side ghosts only; if there are more than `most`, the longest silent ones. A ghost is
// closed by CLIENT KILL ID (the server answers and reported its id) or by SOCK_DESTROY (its socket
// is in sight), by `choice` or by what is possible.
Plan plan_reap(const Sample& sample, const Report& report, MethodChoice choice,
               std::optional<std::uint64_t> most);

// The socket that `protect` works on: the server's, or the client's if the server's is not in
// sight. Only for established connections that no other verdict applies to. nullptr: none.
const Socket* socket_to_protect(const Sample& sample, const Connection& connection);

// Sockets without keepalive, and those whose keepalive the kernel's table does not show. Unix
// sockets are skipped from the start.
Plan plan_protect(const Sample& sample, const Report& report);

// Why an action of plan_protect() was skipped: nothing to do.
inline constexpr std::string_view has_keepalive = "it has keepalive already";
inline constexpr std::string_view needs_no_keepalive =
    "a Unix socket: its peer cannot vanish without the kernel knowing";

// How many of a server's connections have keepalive after the plan was carried out, or now if it
// was not yet.
struct Coverage {
    std::size_t server = 0;
    std::uint64_t connections = 0;  // those that protect works on and that still exist
    std::uint64_t covered = 0;
};
// Omits servers without connections.
std::vector<Coverage> coverage(const Sample& sample, const Report& report, const Plan& plan);

// The idle time in seconds to set on this server's sockets: `chosen`, else the server's own
// tcp-keepalive, else Redis's default of 300. Limited to what setsockopt(2) accepts.
std::int64_t keepalive_s(const Server& server, std::optional<std::int64_t> chosen);

// The keepalive setting of a server that has it off: new connections get no keepalive.
struct ServerSetting {
    std::size_t server = 0;
    std::int64_t value_s = 0;
    bool planned = false;  // false: the report only says how
    std::optional<Outcome> outcome;
    std::string reason;
};
// For servers whose family has the setting and whose value is known.
std::vector<ServerSetting> settings_to_change(const Sample& sample,
                                              std::optional<std::int64_t> chosen, bool planned);

}  // namespace connleak

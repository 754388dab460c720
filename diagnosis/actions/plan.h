// What `reap` and `protect` would do: one action per connection, decided from the report alone.
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
    bool planned = true;             // false: cannot be done in the way that was asked for
    std::optional<Outcome> outcome;  // once it was tried
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
    std::vector<Action> actions;   // by server, the longest silent first
    std::uint64_t beyond_max = 0;  // connections that --max leaves for another time
    // Of plan_protect(): looked at closely, they have keepalive.
    std::vector<const Connection*> already;

    [[nodiscard]] Totals totals() const;
};

// Since the peer was last heard, by the kernel or else by the server's list.
std::int64_t silent_ms(const Connection& connection);

// The ghosts on the server's side, and nothing else; of more than `most` the longest silent. By
// choice or when it must be a ghost goes by CLIENT KILL ID (the server talks and told its id) or by
// SOCK_DESTROY (its socket is in sight).
Plan plan_reap(const Sample& sample, const Report& report, MethodChoice choice,
               std::optional<std::uint64_t> most);

// The socket that `protect` works on: the server's, and where none is in sight the client's; of
// connections that are established and no other verdict's matter. nullptr for none.
const Socket* socket_to_protect(const Sample& sample, const Connection& connection);

// The sockets without keepalive, and those of which the kernel's table does not tell. Unix sockets
// are skipped from the start.
Plan plan_protect(const Sample& sample, const Report& report);

// Why an action of plan_protect() was left out in the end: there was nothing to do.
inline constexpr std::string_view has_keepalive = "it has keepalive already";
inline constexpr std::string_view needs_no_keepalive =
    "a Unix socket: its peer cannot vanish without the kernel knowing";

// How many of a server's connections have keepalive once the plan has been carried out; before
// that, how many have it now.
struct Coverage {
    std::size_t server = 0;
    std::uint64_t connections = 0;  // those that protect works on, and are still there
    std::uint64_t covered = 0;
};
// Servers without connections are left out.
std::vector<Coverage> coverage(const Sample& sample, const Report& report, const Plan& plan);

// The idle time to set on the sockets of this server: `chosen`, else the server's own
// tcp-keepalive, else Redis's default of 300. At most what setsockopt(2) takes.
std::int64_t keepalive_s(const Server& server, std::optional<std::int64_t> chosen);

// The keepalive setting of a server that has it off: new connections get none.
struct ServerSetting {
    std::size_t server = 0;
    std::int64_t value_s = 0;
    bool planned = false;  // else it is only told how
    std::optional<Outcome> outcome;
    std::string reason;
};
// For the servers that have one, and of which it is known.
std::vector<ServerSetting> settings_to_change(const Sample& sample,
                                              std::optional<std::int64_t> chosen, bool planned);

}  // namespace connleak

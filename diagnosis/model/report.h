// What connleak concludes: one record per connection with its verdict and evidence, who holds the
// connections, and what is wrong. Names match the report's JSON.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

enum class Verdict : std::uint8_t {
    healthy,
    ghost,
    suspect,
    unverified,
    orphan,
    unaccepted,
    close_wait,
    transient,
};
inline constexpr std::size_t verdict_count = 8;

enum class Evidence : std::uint8_t {
    peer_socket_present,
    peer_socket_absent,
    recent_traffic,
    keepalive_answered,
    keepalive_unanswered,
    retransmitting,
    peer_closing,
    peer_closed,
    server_listing,
    server_not_listing,
    accept_queue,
    nat_translated,
    nat_suspected,
    peer_out_of_sight,
    snapshot_too_old,
    probe_answered,
    probe_reset,
    probe_unanswered,
};

enum class Keepalive : std::uint8_t { on, off, masked, unknown };
inline constexpr std::size_t keepalive_count = 4;

enum class Severity : std::uint8_t { ok, warning, critical };

// The client behind a proxy that carries a connection.
struct ProxiedClient {
    Endpoint address;                      // port 0: one of several that cannot be told apart
    std::optional<NetnsId> netns;          // of the client's own socket; absent: not in sight
    std::string group;                     // of its process; "" when that is not in sight
    std::optional<std::int64_t> heard_ms;  // since its last segment, from the proxy's kernel
    bool keepalive_unanswered = false;
};

// One connection. The pointers refer to the Sample (or Report::found_later) it was made from.
struct Connection {
    std::size_t server = 0;  // index into Sample::servers
    Endpoint server_end;
    Endpoint client_end;      // family none for a Unix socket
    std::string client_path;  // of a Unix socket: the server's path, see UnixListener::path
    // Both ends are as the server's host sees them. Set when addresses are known to be rewritten on
    // the way: the client's own tuple, `local` its end and `remote` what it connected to.
    std::optional<Tuple> client_tuple;
    const Socket* server_socket = nullptr;
    const Socket* client_socket = nullptr;
    const ServerClient* row = nullptr;

    Purpose purpose = Purpose::client;
    Verdict verdict = Verdict::unverified;
    std::vector<Evidence> evidence;
    Keepalive keepalive = Keepalive::unknown;
    std::optional<std::int64_t> last_heard_ms;  // since the peer's last data or ACK
    std::optional<std::int64_t>
        kernel_gives_up_in_s;           // until keepalive closes it, if nothing answers
    std::optional<std::int64_t> age_s;  // from the server, else the kernel's lower bound
    std::string group;  // of the client's process, or the link's name; "" when not in sight
    const ProxiedClient* proxied = nullptr;  // the client behind the proxy; nullptr: none known

    // The client's end as its own host sees it, as far as known.
    [[nodiscard]] const Endpoint& own_client_end() const {
        return client_tuple ? client_tuple->local : client_end;
    }
    // What the client connected to.
    [[nodiscard]] const Endpoint& dialled_end() const {
        return client_tuple ? client_tuple->remote : server_end;
    }
};

struct Behind;

// A proxy's use of a server.
struct ProxyUse {
    ProxySign sign = ProxySign::traffic;
    bool one_to_one = false;
    std::optional<std::uint64_t> clients;  // accepted by the proxy; absent: not known which
    std::vector<ProxyListener> listening;  // where its clients connect
    std::vector<Behind> behind;            // most connections first
};

inline bool is_unix(const Connection& connection) {
    return !connection.client_path.empty();
}

// One process and one server to which it holds connections.
struct Holder {
    std::int32_t pid = 0;
    std::optional<std::size_t> host;  // index into Sample::peer_hosts; absent: this one
    std::size_t server = 0;
    std::uint64_t connections = 0;
    std::uint64_t persistent = 0;
    std::uint64_t close_wait = 0;
    std::uint64_t keepalive_off = 0;
    std::optional<std::int64_t> oldest_s;
    std::optional<std::int64_t> idle_max_s;
    std::optional<ProxyUse> proxy;  // absent: not a proxy
};

// The processes of one name that hold connections to one server.
struct Group {
    std::string name;
    std::optional<std::size_t> host;  // index into Sample::peer_hosts; absent: this one
    GroupKind kind = GroupKind::executable;
    std::size_t server = 0;
    std::uint64_t workers =
        0;  // of a PHP-FPM pool all processes, else those that hold a connection
    std::uint64_t connections = 0;
    std::uint64_t persistent = 0;
    std::uint64_t per_worker_max = 0;
    std::uint64_t persistent_per_worker_max = 0;
    std::uint64_t duplicate_workers = 0;  // processes with more than one persistent connection
    std::uint64_t keepalive_on = 0;
    std::uint64_t by_unix_socket = 0;  // of `connections`: they have no keepalive
    std::optional<std::int64_t> oldest_s;
    std::optional<std::int64_t> silent_max_s;  // longest time without a segment from the peer
    std::optional<std::uint64_t> max_workers;
    std::optional<std::uint64_t> projected_connections;  // max_workers x per_worker_max
    std::optional<ProxyUse> proxy;  // of the group's processes that are proxies
};

// Clients of a proxy: the processes of one name, or one host not in sight. The connections are
// those to the proxy.
struct Behind {
    Group group;  // for a host: the name is the address, and there are no workers
    std::optional<Address> address;  // for a host
    std::uint64_t keepalive_unanswered = 0;
};

// The part of a finding that belongs to one client address or one group of processes.
struct Share {
    std::string name;
    std::uint64_t count = 0;
    std::optional<std::int64_t> quiet_min_s;  // since the peer was last heard
    std::optional<std::int64_t> quiet_max_s;
};

struct Finding {
    std::string code;
    Severity severity = Severity::warning;
    std::size_t server = 0;
    std::uint64_t count = 0;
    std::string summary;  // one sentence
    std::string remedy;  // what to do and how it affects living connections; may have several lines
    std::string command;        // commands to type, the safe step first, one per line; "" for none
    std::vector<Share> shares;  // where they are, largest first
};

struct ServerCounts {
    std::uint64_t verdict[verdict_count] = {};
    std::uint64_t keepalive[keepalive_count] =
        {};  // of established sockets: server side, else client side
};

// What a verification sent and received, counted in connections.
struct Probes {
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    std::uint64_t reset = 0;
    std::uint64_t unanswered = 0;
    std::uint64_t restored = 0;  // all settings were read back unchanged
};

struct Report {
    std::vector<Connection> connections;
    std::vector<Holder> holders;
    std::vector<Group> groups;
    std::vector<Finding> findings;
    std::vector<ServerCounts> counts;  // by server
    std::deque<Socket> found_later;    // sockets first seen by the recheck
    std::deque<ProxiedClient> proxied;
    std::optional<Probes> probes;  // absent: nothing was probed
};

// The user's time limits for judging connections.
struct Policy {
    std::int64_t recent_ms = 60'000;
    std::int64_t persistent_after_s = 60;
};

// Names as in connleak(1) and in JSON.
std::string_view to_string(Verdict verdict);
std::string_view to_string(Evidence evidence);
std::string_view to_string(Keepalive keepalive);
std::string_view to_string(Purpose purpose);
std::string_view to_string(Severity severity);
std::string_view to_string(State state);  // OpenTelemetry's network.connection.state
std::string_view ss_name(State state);    // as ss prints it: ESTAB
std::string_view to_string(TimerKind kind);
std::string_view to_string(GroupKind kind);
std::string_view to_string(ProxySign sign);
std::string_view to_string(Translation translation);

}  // namespace connleak

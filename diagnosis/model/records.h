// Plain records shared by all parts of connleak: what was read from the kernel, from /proc and from
// servers, before anything is concluded from it. No behaviour, no I/O, standard library only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "diagnosis/model/address.h"
#include "diagnosis/model/proxy_records.h"
#include "diagnosis/model/server_client.h"
#include "diagnosis/model/server_role.h"
#include "diagnosis/model/socket.h"
#include "diagnosis/model/unix_side.h"

namespace connleak::probes {
class Conversation;
}

namespace connleak {

// Something that could not be read. Gaps are part of the result and appear in every output.
struct Gap {
    std::string source;  // "proc", "netlink", "netns", "conntrack", "snapshot", or a ServerFamily's
    std::string scope;   // what it is about: "pid 312", "10.0.0.1:6379"
    std::string error;   // the errno's name, or the server's own message
    std::string effect;  // what the report lacks because of it, for a person
    friend bool operator==(const Gap&, const Gap&) = default;
};

// ---------------------------------------------------------------- namespaces and their network

struct InterfaceAddress {
    Address address;
    std::uint8_t prefix_length = 0;
    std::uint32_t interface = 0;  // ifindex
    friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

// A network device, as RTM_GETLINK reports it (rtnetlink(7)).
struct Link {
    std::uint32_t index = 0;
    std::string name;
    std::string kind;  // IFLA_INFO_KIND: "veth", "bridge", "macvlan"; "" for hardware
    std::vector<std::uint8_t> hardware_address;
    std::uint32_t master = 0;           // ifindex of the bridge (or bond, VRF) that it is a port of
    std::uint32_t peer_index = 0;       // IFLA_LINK: a veth's other end, a macvlan's lower device
    std::optional<NetnsId> peer_netns;  // namespace of peer_index; absent: not in sight
    bool up = false;
    bool loopback = false;
    bool programmed = false;  // XDP, a clsact or ingress qdisc, tcx: may rewrite packets
    friend bool operator==(const Link&, const Link&) = default;
};

// Whether a namespace can rewrite the addresses of packets that pass through it. Ordered from best
// to worst.
enum class Translation : std::uint8_t {
    none,      // checked: nothing there translates
    tracked,   // only NAT rules: the connection tracking table shows what they do to a connection
               // while it has an entry for it
    unknown,   // could not be checked
    possible,  // IPVS services, packet programs, rules that write addresses: not in any table
};

struct Namespace {
    NetnsId id = 0;
    std::string name;  // "web1" (ip netns), "docker/ab12…", else "" (then a process identifies it)
    bool own = false;       // the one that connleak itself runs in
    bool complete = false;  // socket table, addresses and links were read completely
    std::vector<InterfaceAddress> addresses;
    std::vector<Link> links;
    Translation translation = Translation::unknown;
    std::string translation_reason;  // "nft chain nat postrouting", "cannot read nftables: EPERM"
    // br_netfilter passes bridged packets to this namespace's rules, which may translate them.
    bool bridge_translates = false;
    std::uint16_t port_range_low = 0;  // net.ipv4.ip_local_port_range; 0 when unreadable
    std::uint16_t port_range_high = 0;
};

// An entry of connection tracking: what both sides see when something in `netns` rewrites the
// connection. In both tuples `local` is the source. `original` is the tuple of the opener's socket,
// `reply` the tuple of the other side's socket.
struct TrackedConnection {
    NetnsId netns = 0;
    Tuple original;
    Tuple reply;
    std::uint32_t status = 0;  // IPS_* bits (nf_conntrack_common.h)
    bool zoned = false;        // in its own conntrack zone: a lookup by tuple does not find it

    [[nodiscard]] bool translated() const { return reply != original.mirrored(); }
    friend bool operator==(const TrackedConnection&, const TrackedConnection&) = default;
};

// ---------------------------------------------------------------- processes (proc(5))

// A process that holds a descriptor of a socket.
struct Owner {
    std::int32_t pid = 0;
    std::int32_t fd = 0;
    friend auto operator<=>(const Owner&, const Owner&) = default;
};

enum class GroupKind : std::uint8_t { php_fpm_pool, unit, container, executable };

struct Process {
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    std::int32_t namespace_pid = 0;  // in its own pid namespace (last field of NSpid), else `pid`
    std::int64_t start_time = 0;     // seconds since the epoch
    std::string comm;                // raw bytes, can contain anything
    std::string command;             // arguments joined by spaces, truncated; raw bytes
    std::string user;                // name, or the uid as text
    std::uint32_t uid = 0;
    std::string unit;       // systemd unit, "" for none
    std::string container;  // container id, "" for none
    NetnsId netns = 0;
    std::string group;  // what a person calls it: "php-fpm: pool www", "worker.service"
    GroupKind group_kind = GroupKind::executable;
    std::optional<std::uint64_t> fd_limit;  // soft RLIMIT_NOFILE
};

// A PHP-FPM pool, as its master's configuration defines it.
struct FpmPool {
    std::string name;
    std::int32_t master_pid = 0;
    std::int32_t workers = 0;  // processes with the pool's title
    std::optional<std::uint32_t>
        max_children;  // pm.max_children; absent: configuration not readable
};

// What /proc says about the holders of sockets.
struct Processes {
    std::unordered_map<std::uint32_t, std::vector<Owner>>
        owners;                                        // socket inode -> all its owners, sorted
    std::unordered_map<std::int32_t, Process> by_pid;  // the processes that `owners` names
    std::vector<FpmPool> pools;
    std::vector<Gap> gaps;
    std::uint64_t processes_read = 0;
};

// ---------------------------------------------------------------- servers

// The program that answers (or would answer) on the port. server_family.h has the facts about each.
enum class ServerKind : std::uint8_t { tcp, redis, valkey, keydb, dragonfly, mysql, mariadb };

// What a server said about itself. Every field can be missing; the rest of the report does not
// depend on it.
struct ServerAnswer {
    bool asked = false;
    bool reachable = false;         // a conversation took place, even one that ended in NOAUTH
    bool refused_at_limit = false;  // "max number of clients reached", "Too many connections"
    bool login_denied = false;      // it answers, but rejects our login
    std::string error;              // the first error, one line; "" for none
    std::optional<bool> tls;        // whether the port speaks TLS, where that was observed
    bool clients_complete = false;  // the client list was read completely and contains all clients
    bool counts_disagree = false;  // connected_clients and listed_clients differ by more than churn
    ServerKind kind = ServerKind::redis;
    std::string version;
    ServerTopology topology;
    std::string run_id;                      // differs between two servers behind one address
    std::optional<std::int32_t> process_id;  // in the server's own pid namespace
    std::optional<std::uint64_t> connected_clients;
    // Rows of CLIENT LIST that the server counts in connected_clients, our own included.
    std::optional<std::uint64_t> listed_clients;
    std::optional<std::uint64_t> blocked_clients;
    std::optional<std::uint64_t> maxclients;
    std::optional<std::uint64_t> rejected_connections;
    std::optional<std::uint64_t> total_connections_received;
    std::optional<std::uint64_t> uptime_s;
    std::optional<std::uint64_t> tcp_keepalive_s;  // the family's keepalive setting
    std::optional<std::uint64_t> timeout_s;        // the server's idle timeout
    // MySQL only.
    std::optional<std::uint64_t> interactive_timeout_s;
    std::optional<std::uint64_t> max_used_connections;
    std::optional<std::uint64_t> aborted_clients;
    std::optional<std::uint64_t> aborted_connects;
    std::vector<ServerClient> clients;
    double client_list_ms = 0;  // time for the query, server and client together
    std::uint64_t client_list_bytes = 0;
    double asking_ms = 0;  // the whole conversation
    // The program's own connection. It is left out of lists, and shows whether addresses are
    // translated.
    std::optional<Tuple> own_connection;       // as our kernel sees it
    std::optional<std::uint64_t> own_id;       // CLIENT ID (since 5.0), else found by its address
    std::optional<Endpoint> own_address_seen;  // `addr` of our own row: as the server reports it
    std::optional<Endpoint> own_local_seen;    // `laddr` of our own row
    std::vector<Gap> gaps;
};

// A service that the report is about: found by its listening socket, named as a TARGET, or known
// only from the connections that local processes hold to it.
struct Server {
    ServerKind kind = ServerKind::redis;
    Endpoint endpoint;                // how the report names it
    std::string path;                 // when the report names it by a Unix socket, see UnixListener
    std::optional<NetnsId> netns;     // absent: the server is not in sight
    std::optional<std::int32_t> pid;  // of the listening process
    std::string through;              // comm of `pid` where that is a proxy for another process
    std::vector<Endpoint>
        listening;  // its listening sockets in `netns`; 0.0.0.0 and :: match any address
    std::vector<UnixListener> unix_listening;
    bool path_elsewhere = false;  // `path` is in another mount namespace than the program's own
    std::vector<Endpoint> bus;    // Redis Cluster bus listeners: clients do not connect there
    std::uint64_t bus_links = 0;  // established connections to `bus`, opened by other nodes
    std::optional<std::uint64_t> fd_limit;  // soft RLIMIT_NOFILE of `pid`
    std::optional<NetnsId> asked_from;      // the namespace in which our own connection was opened
    std::string user;                       // the user we log in as; "" for the default user
    bool tls = false;                       // queries use TLS
    std::string host_name;                  // as in the TARGET; "" when that has an address
    ServerAnswer answer;
    // The open conversation, for further queries; opaque here. nullptr: not asked.
    std::shared_ptr<probes::Conversation> conversation;
};

// ---------------------------------------------------------------- snapshots of other hosts

// Another host, as its snapshot describes it: its state at one instant, by that host's clock.
struct PeerHost {
    std::string name;  // raw bytes, like everything from a snapshot
    std::string boot_id;
    bool same_boot = false;        // it is our own machine: same clock, same kernel
    std::int64_t taken_at_ms = 0;  // since the epoch, by that host's clock
    std::int64_t margin_ms = 0;    // maximum difference between its clock and ours
    Processes processes;           // its own: their pids and inodes have no meaning here
    std::vector<TrackedConnection> translations;  // `netns` is that host's own number
};

// Ids of this run's own namespaces have 32 bits (nsfs inodes). Ids of other hosts' namespaces begin
// here.
inline constexpr NetnsId first_peer_netns = NetnsId{1} << 32U;

// A network namespace of a peer host.
struct PeerNamespace {
    NetnsId netns = 0;  // its host's own number; in this run its id is first_peer_netns + its index
    std::size_t host = 0;  // index into Sample::peer_hosts
    bool complete = false;
    bool restricted = false;  // the snapshot has only the sockets of some ports
    // The worst of all namespaces of that host connected to it: outgoing packets may pass through
    // them.
    Translation translation = Translation::unknown;
    // `interface` is 0 for addresses on loopback and dummy devices, which many hosts can share.
    std::vector<InterfaceAddress> addresses;
    std::vector<std::vector<std::uint8_t>> hardware_addresses;
    std::vector<Socket> sockets;  // those that may be the peer of one of this run's sockets
};

// Everything that one run read, before anything is concluded.
struct Sample {
    std::vector<Namespace> namespaces;
    std::vector<Socket> sockets;  // of all namespaces, on the ports of interest, without LISTEN
    UnixSide unix_side;
    Processes processes;
    std::vector<Server> servers;
    std::vector<Proxy> proxies;  // local processes between clients and these servers
    // Connections that proxies opened for our own queries, as the servers behind them see them.
    std::vector<Tuple> asked_through;
    // Entries that rewrite addresses, on the ports of interest, from all namespaces that may
    // translate. Read before the sockets.
    std::vector<TrackedConnection> tracked;
    std::vector<Gap> gaps;
    double asking_ms = 0;  // time for asking all servers, including those left out later
    // The source of this run's password, for the commands that findings print. Never the password.
    std::string password_file;
    bool password_asked = false;
    std::string defaults_file;           // the MySQL option file given; "" for the default ones
    std::vector<std::string> tls_words;  // the TLS options, for the same commands; never a key
    bool can_tls = false;                // this build supports TLS
    std::int64_t asked_at_ms = 0;  // since the epoch: when the servers reported their clients' ages
    std::vector<PeerHost> peer_hosts;
    std::vector<PeerNamespace> peer_namespaces;
    std::vector<std::string>
        snapshot_files;  // as the user named them, for commands that scan again

    // nullptr for a namespace of this run.
    [[nodiscard]] const PeerNamespace* peer(NetnsId id) const {
        return id < first_peer_netns ? nullptr : &peer_namespaces[id - first_peer_netns];
    }
    // The processes of the namespace's host.
    [[nodiscard]] const Processes& processes_of(NetnsId id) const {
        return id < first_peer_netns ? processes : peer_hosts[peer(id)->host].processes;
    }
};

// Whether the socket comes from a snapshot (its state is of that time).
inline bool from_snapshot(const Socket& socket) {
    return socket.netns >= first_peer_netns;
}

}  // namespace connleak

#include "diagnosis/model/server_family.h"

#include <algorithm>
#include <array>

namespace connleak {

namespace {

using Kind = ServerFamily::Kind;
using Program = ServerFamily::Program;
using enum ServerKind;

constexpr std::array redis_kinds{
    Kind{redis, "redis", "redis-cli", true}, Kind{valkey, "valkey", "valkey-cli", true},
    Kind{keydb, "keydb", "redis-cli", true},
    Kind{dragonfly, "dragonfly", "redis-cli"},  // counts its replicas among the clients
};
constexpr std::array redis_programs{
    Program{"redis-server", redis},         Program{"valkey-server", valkey},
    Program{"keydb-server", keydb},         Program{"dragonfly", dragonfly},
    Program{"redis-sentinel", redis, true}, Program{"valkey-sentinel", valkey, true},
    Program{"keydb-sentinel", keydb, true},
};
constexpr std::array<std::uint16_t, 1> redis_ports{6379};

constexpr std::array mysql_kinds{
    Kind{mysql, "mysql", "mysql"},
    Kind{mariadb, "mariadb", "mariadb"},
};
constexpr std::array mysql_programs{
    Program{"mysqld", mysql},
    Program{"mariadbd", mariadb},
};
constexpr std::array<std::uint16_t, 1> mysql_ports{3306};
constexpr std::array<std::uint16_t, 2> mysql_links{
    4567,   // Galera: wsrep_provider_options, gmcast.listen_addr
    33061,  // group_replication_local_address
};

constexpr std::array tcp_kinds{Kind{tcp, "tcp", {}}};

constexpr std::array families{
    ServerFamily{
        .kinds = redis_kinds,
        .title = "Redis",
        .servers = "Redis-compatible server",
        .gap_source = "redis",
        .ports = redis_ports,
        .programs = redis_programs,
        .scheme = "redis",
        .tls_scheme = "rediss",
        .numbered_databases = true,
        .url_form = "redis[s]://[user@]host:port",
        .login_form = "redis://user@host:port",
        .password_place = "REDISCLI_AUTH",
        .settings = {.limit = "maxclients",
                     .idle_timeout = "timeout",
                     .keepalive = "tcp-keepalive",
                     .set = "CONFIG SET ",
                     .to = " ",
                     .persist = "CONFIG REWRITE",
                     .reset_statistics = "CONFIG RESETSTAT"},
        // It reads no option file, but uses REDISCLI_AUTH by itself.
        .client = {.host = "-h",
                   .port = "-p",
                   .socket = "-s",
                   .user = "--user",
                   .ask_password = "--askpass",
                   .tls = "--tls",
                   .login_file = {},
                   .statement = {}},
        .links = {.above = 10'000, .ports = {}},  // CLUSTER_PORT_INCR
        .asking = {},
        .texts = {.at_limit = "max number of clients reached",
                  .raise_full =
                      "maxclients can be raised only from a connection that is already open "
                      "(CONFIG SET), or in the configuration at the next start",
                  .php_twins =
                      "Two pconnect() calls with different host, port, timeout or persistent_id "
                      "make two connections. ",
                  .timeout_reaches = {}},
    },
    ServerFamily{
        .kinds = mysql_kinds,
        .title = "MySQL",
        .servers = "MySQL",
        .gap_source = "mysql",
        .ports = mysql_ports,
        .programs = mysql_programs,
        .scheme = "mysql",
        .tls_scheme = {},
        .named_by_scheme = true,
        .url_form = "mysql://[user@]host[:port]",
        .login_form = "mysql://user@host",
        .password_place = "~/.my.cnf",
        // It enables keepalive for every client by itself; changed settings do not survive a
        // restart.
        .settings = {.limit = "max_connections",
                     .idle_timeout = "wait_timeout",
                     .keepalive = {},
                     .set = "SET GLOBAL ",
                     .to = " = ",
                     .persist = {},
                     .reset_statistics = "FLUSH STATUS"},
        // It reads this file or the default ones, but no file with only a password; -p makes it
        // prompt.
        .client = {.host = "-h",
                   .port = "-P",
                   .socket = "-S",
                   .user = "-u",
                   .ask_password = "-p",
                   .tls = {},
                   .login_file = "--defaults-file",
                   .statement = "-e",
                   .host_always = true,
                   .login_first = true},
        .links = {.above = 0, .ports = mysql_links},
        // Its limit and logins differ between addresses: extra_port, an account for localhost, an
        // account authenticated by its Unix socket.
        .asking = {.own_login_files = true,
                   .own_tls = true,
                   .unix_socket_first = true,
                   .addresses_differ = true},
        .texts = {.at_limit = "too many connections",
                  .raise_full =
                      "max_connections can be raised from a connection that is already open (SET "
                      "GLOBAL), by a user with CONNECTION ADMIN (or SUPER), for whom one more is "
                      "kept free, or through extra_port (admin_port) where the server has it",
                  .php_twins =
                      "Two persistent connections with different host, port, user, database or "
                      "options (PDO's DSN and attributes, mysqli's p:) are two connections. ",
                  // A session copies the global wait_timeout when it begins.
                  .timeout_reaches =
                      "wait_timeout reaches new connections only: those that are here now keep the "
                      "value that they began with, or have set for themselves. What stands above "
                      "is what it would do to them if they began anew."},
    },
    ServerFamily{
        .kinds = tcp_kinds,
        .title = "TCP",
        .servers = "TCP service",
        .gap_source = {},
        .ports = {},
        .programs = {},
        .scheme = "tcp",
        .tls_scheme = {},
        .named_by_scheme = true,
        .url_form = "tcp://host:port",
        .login_form = {},
        .password_place = {},
        .settings = {},
        .client = {},
        .links = {},
        .asking = {},
        .texts = {},
    },
};

const ServerFamily::Kind* find_kind(const ServerFamily& family, ServerKind kind) {
    const auto found = std::ranges::find(family.kinds, kind, &Kind::kind);
    return found == family.kinds.end() ? nullptr : &*found;
}

std::string joined(const std::vector<std::string>& parts, std::string_view last) {
    std::string text;
    for (std::size_t at = 0; at < parts.size(); ++at) {
        if (at > 0) text += at + 1 == parts.size() ? last : ", ";
        text += parts[at];
    }
    return text;
}

}  // namespace

std::span<const ServerFamily> server_families() {
    return families;
}

// Every kind belongs to a family: the tests check this.
const ServerFamily& family_of(ServerKind kind) {
    const auto* found = std::ranges::find_if(
        families, [&](const ServerFamily& each) { return find_kind(each, kind) != nullptr; });
    return found == families.end() ? families.back() : *found;
}

const ServerFamily::Kind& kind_row(ServerKind kind) {
    const Kind* found = find_kind(family_of(kind), kind);
    return found != nullptr ? *found : tcp_kinds.front();
}

std::string_view to_string(ServerKind kind) {
    return kind_row(kind).name;
}

bool can_be_asked(ServerKind kind) {
    return !family_of(kind).gap_source.empty();
}

std::vector<std::uint16_t> usual_ports() {
    std::vector<std::uint16_t> ports;
    for (const ServerFamily& family : families)
        ports.insert(ports.end(), family.ports.begin(), family.ports.end());
    return ports;
}

ServerKind usual_kind(std::uint16_t port) {
    for (const ServerFamily& family : families)
        if (std::ranges::find(family.ports, port) != family.ports.end())
            return family.kinds.front().kind;
    return redis;
}

const ServerFamily::Program* find_program(std::string_view comm) {
    for (const ServerFamily& family : families)
        for (const Program& program : family.programs)
            if (comm.starts_with(program.name)) return &program;
    return nullptr;
}

std::optional<SchemeMatch> find_scheme(std::string_view target) {
    constexpr std::string_view mark = "://";
    for (const ServerFamily& family : families) {
        for (const bool tls : {false, true}) {
            const std::string_view scheme = tls ? family.tls_scheme : family.scheme;
            if (!scheme.empty() && target.starts_with(scheme) &&
                target.substr(scheme.size()).starts_with(mark))
                return SchemeMatch{&family, tls, scheme.size() + mark.size()};
        }
    }
    return std::nullopt;
}

bool is_server_gap(const Gap& gap) {
    return std::ranges::any_of(families, [&](const ServerFamily& family) {
        return !family.gap_source.empty() && gap.source == family.gap_source;
    });
}

std::string no_server_text(std::string_view ServerFamily::*name) {
    std::vector<std::string> parts;
    for (const ServerFamily& family : families)
        if (!family.gap_source.empty()) parts.push_back("no " + std::string(family.*name));
    return joined(parts, " and ");
}

std::string usual_ports_text() {
    std::vector<std::string> parts;
    for (const std::uint16_t port : usual_ports()) parts.push_back(std::to_string(port));
    return joined(parts, " or ");
}

std::string ServerFamily::set(std::string_view setting, std::int64_t value) const {
    if (settings.set.empty() || setting.empty()) return "";
    std::string text(settings.set);
    text += setting;
    text += settings.to;
    return text + std::to_string(value);
}

}  // namespace connleak

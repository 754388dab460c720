// The families of servers: one row per protocol with everything known about its servers, except the
// protocol itself, which is in probes/. Other code reads this table and does not test a server's
// kind.
//
// To add a family: its kinds in ServerKind, a row in server_family.cpp, a folder in probes/ and its
// line in probes/conversation.cpp, a section of the manual page, tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak {

// A field left empty in a row is something the family does not have. Settings, commands and
// remedies of other families never replace it.
struct ServerFamily {
    struct Kind {
        ServerKind kind;
        std::string_view name;    // in reports
        std::string_view client;  // the client program for interactive use
        // Replicas and cluster links use slots of the limit but are missing from the count of
        // clients.
        bool links_counted_apart = false;
    };

    struct Program {
        std::string_view name;  // prefix of its process's comm
        ServerKind kind;
        bool watches = false;  // it holds no data and monitors the servers that do (Sentinel)
    };

    struct Settings {
        std::string_view limit;         // maximum number of clients
        std::string_view idle_timeout;  // after this time an idle client is closed
        std::string_view keepalive;     // idle time before TCP probes the peer; 0 turns it off
        // Text before the name of a setting, and between name and value, in the command that
        // changes it on the running server.
        std::string_view set;
        std::string_view to;
        std::string_view persist;           // command that makes changed settings survive a restart
        std::string_view reset_statistics;  // command that resets its counters
    };

    // Options of the family's client program.
    struct Client {
        std::string_view host, port, socket, user, ask_password;
        std::string_view tls;         // needed where TLS is not configured elsewhere
        std::string_view login_file;  // option file that replaces the default ones
        std::string_view statement;   // its option; "": given as plain arguments
        bool host_always = false;     // without a host it connects to a Unix socket
        bool login_first = false;     // the login file must be its first argument
    };

    // Listening ports for other servers, not for clients.
    struct Links {
        std::uint16_t above = 0;  // offset from the client port: the cluster bus
        std::span<const std::uint16_t> ports;
    };

    // How its servers are queried.
    struct Asking {
        bool own_login_files = false;  // its library reads the user's option files itself
        bool own_tls = false;          // its library implements TLS itself
        // Local clients use its Unix socket, and accounts are set up for that.
        bool unix_socket_first = false;
        // A limit or login may refuse us at one address and not at another.
        bool addresses_differ = false;
    };

    // Text for findings.
    struct Texts {
        std::string_view at_limit;         // the server's error when it is full
        std::string_view raise_full;       // how to raise the limit in that state
        std::string_view php_twins;        // when one PHP worker has two persistent connections
        std::string_view timeout_reaches;  // which clients a changed idle timeout does not reach
    };

    std::span<const Kind> kinds;  // the first one stands for the family until a server has answered
    std::string_view title;       // "Redis"
    std::string_view servers;     // "Redis-compatible server"
    std::string_view gap_source;  // Gap::source for its servers
    std::span<const std::uint16_t> ports;  // default ports, the most common first
    std::span<const Program> programs;
    std::string_view scheme;
    std::string_view tls_scheme;
    bool named_by_scheme = false;     // a TARGET of this family needs the scheme
    bool numbered_databases = false;  // its URLs name a database by number
    std::string_view url_form;        // the form of a TARGET
    std::string_view login_form;      // the same with a user
    std::string_view password_place;  // where the password goes if no option gives one
    Settings settings;
    Client client;
    Links links;
    Asking asking;
    Texts texts;

    // The command that changes a setting on the running server; "" when there is none.
    [[nodiscard]] std::string set(std::string_view setting, std::int64_t value) const;
};

std::span<const ServerFamily> server_families();
const ServerFamily& family_of(ServerKind kind);
const ServerFamily::Kind& kind_row(ServerKind kind);

// "redis", as in reports.
std::string_view to_string(ServerKind kind);

// Whether connleak speaks its protocol. Nothing is sent to other services (tcp).
bool can_be_asked(ServerKind kind);

// The default ports of all families.
std::vector<std::uint16_t> usual_ports();
// The kind assumed for a port of which nothing else is known.
ServerKind usual_kind(std::uint16_t port);

// The server program with this name; nullptr: not a server.
const ServerFamily::Program* find_program(std::string_view comm);

// The family whose scheme a TARGET begins with.
struct SchemeMatch {
    const ServerFamily* family = nullptr;
    bool tls = false;
    std::size_t size = 0;  // of "redis://"
};
std::optional<SchemeMatch> find_scheme(std::string_view target);

// Whether the gap is about a query to a server of some family.
bool is_server_gap(const Gap& gap);

// "no Redis-compatible server and no MySQL", for messages when none was found; with titles "no
// Redis and no MySQL".
std::string no_server_text(std::string_view ServerFamily::*name = &ServerFamily::servers);
// "6379 or 3306"
std::string usual_ports_text();

}  // namespace connleak

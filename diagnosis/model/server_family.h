// The families of servers: one row for each protocol, with all that is known about servers that
// speak it, but for the protocol itself, which a room in probes/ knows. Everything else reads this
// table instead of asking for the kind of a server.
//
// A new family is: its kinds in ServerKind, a row in server_family.cpp, a room in probes/ and its
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

// Whatever is left out in a row is something that the family does not have, and nothing stands in
// for it: no setting, no command and no remedy of another family.
struct ServerFamily {
    struct Kind {
        ServerKind kind;
        std::string_view name;    // in reports
        std::string_view client;  // the program by which a person asks it
        // Replicas and links of a cluster take slots of its limit, and its count of clients lacks
        // them.
        bool links_counted_apart = false;
    };

    struct Program {
        std::string_view name;  // of its process (comm), the beginning
        ServerKind kind;
        bool watches = false;  // it has no data and looks after the servers that do (Sentinel)
    };

    struct Settings {
        std::string_view limit;         // how many clients it takes
        std::string_view idle_timeout;  // after which it closes a silent client
        std::string_view keepalive;     // idle time before TCP asks the peer; 0 turns it off
        // What comes before the name of a setting, and between it and the value, to change it in
        // the running server.
        std::string_view set;
        std::string_view to;
        std::string_view persist;           // keeps what was set over a restart
        std::string_view reset_statistics;  // starts its counters anew
    };

    // The options of its client programs.
    struct Client {
        std::string_view host, port, socket, user, ask_password;
        std::string_view tls;         // where its TLS is not configured elsewhere
        std::string_view login_file;  // its option file in place of the usual ones
        std::string_view statement;   // "": what it is to say stands as arguments of its own
        bool host_always = false;     // without one it goes by a Unix socket
        bool login_first = false;     // the file with the login is its first argument
    };

    // Which of its listening ports are for other servers, and for no client.
    struct Links {
        std::uint16_t above = 0;  // so much above one for clients: the bus of a cluster
        std::span<const std::uint16_t> ports;
    };

    // How it is asked.
    struct Asking {
        bool own_login_files = false;  // its library reads the person's option files by itself
        bool own_tls = false;          // its library has a TLS of its own
        // Local clients go by its Unix socket, and accounts are made for that.
        bool unix_socket_first = false;
        // A limit or a login that refuses at one of its addresses may not at another.
        bool addresses_differ = false;
    };

    // Sentences of findings.
    struct Texts {
        std::string_view at_limit;         // what it says when it is full
        std::string_view raise_full;       // how its limit is raised then
        std::string_view php_twins;        // which persistent connections of one PHP worker are two
        std::string_view timeout_reaches;  // whom a change of the idle timeout does not reach
    };

    std::span<const Kind> kinds;  // the first one stands for the family until a server has answered
    std::string_view title;       // "Redis"
    std::string_view servers;     // "Redis-compatible server"
    std::string_view gap_source;  // of what its servers did not tell
    std::span<const std::uint16_t> ports;  // where they listen by custom, the usual one first
    std::span<const Program> programs;
    std::string_view scheme;
    std::string_view tls_scheme;
    bool named_by_scheme = false;     // a TARGET of it needs the scheme
    bool numbered_databases = false;  // in a URL
    std::string_view url_form;        // how a TARGET of it is written
    std::string_view login_form;      // the same with a user
    std::string_view password_place;  // where a password is expected that no option gives
    Settings settings;
    Client client;
    Links links;
    Asking asking;
    Texts texts;

    // What a person tells the server to change a setting; "" where that cannot be said.
    [[nodiscard]] std::string set(std::string_view setting, std::int64_t value) const;
};

std::span<const ServerFamily> server_families();
const ServerFamily& family_of(ServerKind kind);
const ServerFamily::Kind& kind_row(ServerKind kind);

// "redis", as in reports.
std::string_view to_string(ServerKind kind);

// Whether its protocol is spoken; nothing is said to other services (tcp).
bool can_be_asked(ServerKind kind);

// The ports of all families, where a server is looked for by custom.
std::vector<std::uint16_t> usual_ports();
// What is taken to listen on a port of which nothing else is known.
ServerKind usual_kind(std::uint16_t port);

// The program with this name; nullptr for any other program than a server.
const ServerFamily::Program* find_program(std::string_view comm);

// The family whose scheme a TARGET begins with.
struct SchemeMatch {
    const ServerFamily* family = nullptr;
    bool tls = false;
    std::size_t size = 0;  // of "redis://"
};
std::optional<SchemeMatch> find_scheme(std::string_view target);

// Whether a gap tells what a server of some family did not tell.
bool is_server_gap(const Gap& gap);

// "no Redis-compatible server and no MySQL", for where none was found; by title: "no Redis and no
// MySQL".
std::string no_server_text(std::string_view ServerFamily::*name = &ServerFamily::servers);
// "6379 or 3306"
std::string usual_ports_text();

}  // namespace connleak

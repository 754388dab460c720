// What one run is to read: the servers that were named, the namespaces, how servers are asked.
// Plain data; whoever starts a run fills it in.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "probes/tls/tls.h"

namespace connleak::collect {

// A server that was named.
struct Target {
    std::string text;                     // as written
    ServerKind kind = ServerKind::redis;  // what is spoken there, the first kind of its family
    bool tls = false;                     // rediss://
    std::string host;                     // "" for ":6379": this host, in every namespace in sight
    std::uint16_t port = 0;
    // Of a Unix socket, then host and port are empty: a path, or "@" and an abstract name.
    std::string path;
    std::string user;
};

struct Request {
    std::vector<Target> targets;       // none: what is found on this host
    std::vector<std::uint16_t> ports;  // looked at as well as the usual ones
    std::string netns = "all";         // "all", "self", a name below /run/netns, a path, a pid
    std::string user;                  // to log in as; "" for the default user
    // Where the password comes from, for the commands that a report offers. The password itself is
    // handed to the run apart.
    bool ask_password = false;
    std::string password_file;
    std::string defaults_file;  // MySQL's option file in place of the usual ones
    std::chrono::milliseconds connect_timeout{3000};
    std::int64_t recent_s = 60;
    std::int64_t persistent_after_s = 60;
    bool tls = false;  // all servers are asked by TLS
    probes::TlsSettings tls_settings;
    std::vector<std::string> tls_arguments;   // the options of TLS that say the same again
    std::vector<std::string> peer_snapshots;  // files, folders, "-"
};

struct SnapshotRequest {
    std::vector<std::uint16_t> ports;  // either end; empty: every TCP socket
    std::string netns = "all";         // as in Request
};

// Why a run could not be made, in one line.
struct RunError {
    bool bad_request = false;  // what was asked for makes no sense here
    std::string message;
};

}  // namespace connleak::collect

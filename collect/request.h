// What one run is to read: the TARGETs, the namespaces, and how servers are asked. Plain data,
// filled in by the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "probes/tls/tls.h"

namespace connleak::collect {

// A server that the user named.
struct Target {
    std::string text;                     // as written
    ServerKind kind = ServerKind::redis;  // first kind of the family whose protocol it speaks
    bool tls = false;                     // rediss://
    std::string host;                     // "" for ":6379": this host, in every namespace in sight
    std::uint16_t port = 0;
    // For a Unix socket (host and port are then empty): a path, or "@" and an abstract name.
    std::string path;
    std::string user;
};

struct Request {
    std::vector<Target> targets;       // none: the servers found on this host
    std::vector<std::uint16_t> ports;  // read in addition to the usual ones
    std::string netns = "all";         // "all", "self", a name below /run/netns, a path, a pid
    std::string user;                  // login name; "" for the default user
    // Where the password comes from, for the commands that a report suggests. The password itself
    // is passed to the run separately.
    bool ask_password = false;
    std::string password_file;
    std::string defaults_file;  // MySQL's option file instead of the usual ones
    std::chrono::milliseconds connect_timeout{3000};
    std::int64_t recent_s = 60;
    std::int64_t persistent_after_s = 60;
    bool tls = false;  // use TLS for all servers
    probes::TlsSettings tls_settings;
    std::vector<std::string> tls_arguments;   // the TLS options in command-line form
    std::vector<std::string> peer_snapshots;  // files, folders, "-"
};

struct SnapshotRequest {
    std::vector<std::uint16_t> ports;  // of either end; empty: every TCP socket
    std::string netns = "all";         // as in Request
};

// Why a run failed, in one line.
struct RunError {
    bool bad_request = false;  // the request makes no sense on this host
    std::string message;
};

}  // namespace connleak::collect

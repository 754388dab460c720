// What the command line says. Parsing touches nothing but argv and the environment.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/target.h"
#include "probes/tls/tls.h"

namespace connleak::cli {

enum class Format : std::uint8_t { table, json, ndjson, prometheus };
enum class When : std::uint8_t { automatic, always, never };

// What every verb that reads connections and servers can be told.
struct Options {
    std::vector<Target> targets;
    std::vector<std::uint16_t> ports;  // --port
    Format format = Format::table;
    std::string output;  // "" for stdout
    When color = When::automatic;
    std::string netns = "all";
    std::string user;
    bool ask_password = false;
    std::string password_file;
    std::string defaults_file;  // MySQL's option file in place of the usual ones
    std::chrono::milliseconds connect_timeout{3000};
    std::int64_t recent_s = 60;
    std::int64_t persistent_after_s = 60;
    bool tls = false;  // --tls: all servers
    probes::TlsSettings tls_settings;
    std::vector<std::string> peer_snapshots;  // files, folders, "-"
};

// What to do instead of running a verb: text for stdout (help, version) or one line for stderr.
struct Stop {
    int status = 0;
    std::string text;
};

// The words of TLS that say the same again, for commands that a report tells: "--cacert", "FILE".
std::vector<std::string> tls_words(const Options& options);

// As diagnosis/duration.h reads it; std::nullopt beyond ten years.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace connleak::cli

// TARGETs as the user writes them, decoded without touching the system.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace connleak::cli {

enum class Protocol : std::uint8_t { redis, mysql, tcp };

// Where servers listen by custom (IANA).
inline constexpr std::uint16_t redis_port = 6379;
inline constexpr std::uint16_t mysql_port = 3306;

// What is spoken there, for all that is known.
constexpr Protocol usual_protocol(std::uint16_t port) {
    return port == mysql_port ? Protocol::mysql : Protocol::redis;
}

struct Target {
    std::string text;  // as written
    Protocol protocol = Protocol::redis;
    bool tls = false;  // rediss://
    std::string host;  // "" for ":6379": this host, in every namespace in sight
    std::uint16_t port = 0;
    // Of a Unix socket, then host and port are empty: a path, or "@" and an abstract name.
    std::string path;
    std::string user;
};

// The error says what is wrong and what to write instead, in one line; it never holds a password.
std::expected<Target, std::string> parse_target(std::string_view text);

}  // namespace connleak::cli

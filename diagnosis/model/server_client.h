// A server's own row for one of its connections (CLIENT LIST, SHOW PROCESSLIST), one record for all
// kinds of servers. Text fields are raw bytes from the network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/model/address.h"

namespace connleak {

// What a connection is for. client: none of the others.
enum class Purpose : std::uint8_t { client, replication, sentinel, monitor };

// Why a server's idle timeout does not apply to a client. busy: a command is running.
enum class Exempt : std::uint8_t { replica, master, monitor, blocked, subscriber, busy };
inline constexpr std::size_t exempt_count = 6;

// The fields that only one kind of server has, under the server's own names. Packed into one block
// of memory per row: there can be 100,000 rows with twenty fields each.
class NativeFields {
  public:
    using Value = std::optional<std::string_view>;  // std::nullopt: null on the server

    // If a name occurs more than once, the last value counts. Names are limited to 255 bytes,
    // values to 65534; the rest is cut off.
    void add(std::string_view name, Value value);
    void reserve(std::size_t bytes) { packed_.reserve(bytes); }

    // Calls take(name, value) for each field, in the order of add().
    template <typename Take>
    void each(Take take) const {
        for (std::size_t at = 0; at < packed_.size();) {
            const Field field = field_at(at);
            take(field.name, field.value);
            at = field.end;
        }
    }
    // std::nullopt also when there is no such field.
    [[nodiscard]] Value find(std::string_view name) const;

  private:
    struct Field {
        std::string_view name;
        Value value;
        std::size_t end = 0;
    };
    [[nodiscard]] Field field_at(std::size_t at) const;

    std::string packed_;
};

struct ServerClient {
    // Fields that servers of all kinds can report; absent or "" where this one does not.
    std::uint64_t id = 0;             // 0: none (Redis before 2.8.12)
    std::optional<std::string> name;  // set by the client
    std::string user;
    std::string database;  // Redis: its number
    std::string command;   // the last command, or the current activity: "get", "Sleep"
    std::string state;
    std::optional<std::int64_t> idle_s;  // since the last command
    std::optional<std::int64_t> age_s;
    bool age_is_least = false;  // the server reports no age: `age_s` is a lower bound
    std::optional<std::int64_t> transaction_s;
    std::optional<std::int64_t> memory_bytes;
    std::optional<std::int32_t> client_pid;
    NativeFields native;

    // How its socket is found.
    std::optional<Endpoint> address;  // absent for a Unix socket, and where it is not reported
    std::optional<Endpoint> local_address;  // the server's end
    std::string path;                       // of a Unix socket
    // The client's host name and port, when the server resolves names (`address` is then absent).
    std::string host_name;
    std::optional<std::uint16_t> host_port;
    bool by_unix_socket = false;            // set even when there is no path
    bool unnamed = false;                   // a Unix socket with neither path nor descriptor
    std::optional<std::int32_t> fd;         // the server's; -1 for a client without one
    std::optional<std::int32_t> thread_id;  // of the server's thread, in its own pid namespace

    // Set by the decoder, by the rules of the row's kind.
    std::optional<Purpose> purpose;  // absent: the row does not say
    std::optional<Exempt> exempt;    // from the idle timeout
    bool opened_by_server = false;   // not a client: the server's own connection to its master
};

}  // namespace connleak

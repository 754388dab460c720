// A server's own row for one of its connections (CLIENT LIST, SHOW PROCESSLIST), one record for all
// kinds of servers. Texts are raw bytes from the network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "diagnosis/model/address.h"

namespace connleak {

// What a connection is for. client: whatever is none of the others.
enum class Purpose : std::uint8_t { client, replication, sentinel, monitor };

// Why a server's idle timeout spares a client. busy: a command is under way.
enum class Exempt : std::uint8_t { replica, master, monitor, blocked, subscriber, busy };
inline constexpr std::size_t exempt_count = 6;

// The fields that only one kind of server has, under the server's own names. One block of memory
// for a row: there can be a hundred thousand rows with twenty fields each.
class NativeFields {
  public:
    using Value = std::optional<std::string_view>;  // std::nullopt: the server has none

    // Of several with one name the last one counts. Names have up to 255 bytes, values 65534; what
    // is longer is cut.
    void add(std::string_view name, Value value);
    void reserve(std::size_t bytes) { packed_.reserve(bytes); }

    // take(name, value) for each, in the order in which they were added.
    template <typename Take>
    void each(Take take) const {
        for (std::size_t at = 0; at < packed_.size();) {
            const Field field = field_at(at);
            take(field.name, field.value);
            at = field.end;
        }
    }
    // std::nullopt also where there is no such field.
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
    // What servers of all kinds tell; absent or "" where this one does not.
    std::uint64_t id = 0;             // 0: none (Redis before 2.8.12)
    std::optional<std::string> name;  // what the client calls itself
    std::string user;
    std::string database;  // Redis: its number
    std::string command;   // the last one, or what it is doing: "get", "Sleep"
    std::string state;
    std::optional<std::int64_t> idle_s;  // since the last command came
    std::optional<std::int64_t> age_s;
    bool age_is_least = false;  // concluded: it is at least so old, the server tells no age
    std::optional<std::int64_t> transaction_s;
    std::optional<std::int64_t> memory_bytes;
    std::optional<std::int32_t> client_pid;
    NativeFields native;

    // By what its socket is found.
    std::optional<Endpoint> address;        // absent for a Unix socket, and where it is not told
    std::optional<Endpoint> local_address;  // the server's end
    std::string path;                       // of a Unix socket
    // What the server calls the client's address where it resolves names (then `address` is
    // absent), and the client's port.
    std::string host_name;
    std::optional<std::uint16_t> host_port;
    bool by_unix_socket = false;            // also without a path
    bool unnamed = false;                   // by a Unix socket, with neither path nor descriptor
    std::optional<std::int32_t> fd;         // the server's; -1 for a client without one
    std::optional<std::int32_t> thread_id;  // of the server's thread, in its own pid namespace

    // What the row says by the rules of its kind, which its decoder knows.
    std::optional<Purpose> purpose;  // absent: the row does not tell
    std::optional<Exempt> exempt;    // from the idle timeout
    bool opened_by_server = false;   // no client: the server's own connection, to its master
};

}  // namespace connleak

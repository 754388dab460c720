// Decodes the results of MySQL and MariaDB into records. No I/O: the bytes come from
// session.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::probes {

// One row of a result: one value for each column, std::nullopt for NULL.
using MysqlRow = std::span<const std::optional<std::string_view>>;

// The rows of SHOW PROCESSLIST, added one by one.
class ProcessList {
  public:
    // `columns`: the column names of this server version.
    explicit ProcessList(std::span<const std::string> columns);
    // Whether the columns that a row needs are present.
    [[nodiscard]] bool readable() const { return id_ && host_ && command_; }

    // Skips the server's own threads (the event scheduler, a replica's).
    void add(MysqlRow row);
    // The clients, with their ages where known. `uptime_s` is the upper bound of an age.
    [[nodiscard]] std::vector<ServerClient> take(std::optional<std::uint64_t> uptime_s);
    [[nodiscard]] std::uint64_t dropped_rows() const { return dropped_; }

  private:
    using Column = std::optional<std::size_t>;
    Column id_, user_, host_, database_, command_, time_, state_, progress_;
    std::vector<ServerClient> clients_;
    std::uint64_t dropped_ = 0;
};

// The column Host: "10.0.0.7:41234", "2001:db8::7:41234", "web1.example:41234", "localhost".
void read_host(std::string_view host, ServerClient& client);

// Whether a line of SHOW GRANTS allows the user to see the threads of all users.
bool grants_process(std::string_view grant);

// Every MariaDB version string contains "MariaDB", also behind the "5.5.5-" of older ones.
ServerKind mysql_kind(std::string_view version);
// "5.5.5-10.3.39-MariaDB-log" -> "10.3.39-MariaDB-log", "11.8.6-MariaDB-0+deb13u1 from Debian" ->
// "11.8.6-MariaDB-0+deb13u1"
std::string_view mysql_version(std::string_view version);

// Names in lower case -> numbers, of SHOW VARIABLES and SHOW STATUS.
using MysqlNumbers = std::map<std::string, std::uint64_t, std::less<>>;
void add_number(MysqlRow row, MysqlNumbers& numbers);
// A row of two numbers.
std::optional<std::pair<std::uint64_t, std::uint64_t>> two_numbers(MysqlRow row);

// The class of an error number (mysqld_error.h, errmsg.h).
enum class MysqlErrorClass : std::uint8_t { unreachable, at_limit, denied, other };
MysqlErrorClass mysql_error_class(unsigned int code);

}  // namespace connleak::probes

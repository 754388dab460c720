// What MySQL and MariaDB say, as records. Pure: the bytes come from mysql_libmariadb.cpp.
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

// One row of a result: as many values as there are columns, std::nullopt for NULL.
using MysqlRow = std::span<const std::optional<std::string_view>>;

// The rows of SHOW PROCESSLIST, one after the other.
class ProcessList {
  public:
    // The columns by their names, as this version of the server has them.
    explicit ProcessList(std::span<const std::string> columns);
    // Whether the columns without which a row says nothing are there.
    [[nodiscard]] bool readable() const { return id_ && host_ && command_; }

    // Threads of the server's own (the event scheduler, a replica's) are left out.
    void add(MysqlRow row);
    // The clients, with ages as far as they are known: `uptime_s` is what no age can be above.
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

// Whether a line of SHOW GRANTS lets the user see the threads of all users.
bool grants_process(std::string_view grant);

// The words "MariaDB" stand in every version that it tells, also behind "5.5.5-" of older ones.
ServerKind mysql_kind(std::string_view version);
// "5.5.5-10.3.39-MariaDB-log" -> "10.3.39-MariaDB-log", "11.8.6-MariaDB-0+deb13u1 from Debian" ->
// "11.8.6-MariaDB-0+deb13u1"
std::string_view mysql_version(std::string_view version);

// Names in small letters -> numbers, of SHOW VARIABLES and SHOW STATUS.
using MysqlNumbers = std::map<std::string, std::uint64_t, std::less<>>;
void add_number(MysqlRow row, MysqlNumbers& numbers);
// Two columns of numbers.
std::optional<std::pair<std::uint64_t, std::uint64_t>> two_numbers(MysqlRow row);

// What a refusal means (mysqld_error.h, errmsg.h).
enum class MysqlErrorClass : std::uint8_t { unreachable, at_limit, denied, other };
MysqlErrorClass mysql_error_class(unsigned int code);

}  // namespace connleak::probes

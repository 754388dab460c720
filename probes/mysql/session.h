// One connection to a MySQL server: libmariadb's non-blocking calls under deadlines. Internal to
// probes/mysql*.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/conversation.h"
#include "probes/mysql/decode.h"
#include "probes/time_budget.h"

namespace connleak::probes {

// How a step failed. `text` is one line, and never holds the password.
struct MysqlFailure {
    MysqlErrorClass error_class = MysqlErrorClass::other;
    unsigned int code = 0;  // 0 if the error is neither the server's nor the library's
    std::string text;
};

class MysqlSession {
  public:
    MysqlSession(Credentials credentials, Limits limits);
    MysqlSession(const MysqlSession&) = delete;
    MysqlSession& operator=(const MysqlSession&) = delete;
    ~MysqlSession();

    // Every step below must run within a turn of it.
    [[nodiscard]] TimeBudget& time() { return time_; }

    void use_password(const std::string& password) { credentials_.password = password; }

    // Sets the server to connect to; `path` (unless "") is a Unix socket used instead of `server`.
    void aim(const Endpoint& server, const std::string& path, const RunInside& inside);
    // std::nullopt on success. The connection ends with the session.
    std::optional<MysqlFailure> connect();
    // A new session to the same server, with the time that is left.
    [[nodiscard]] std::unique_ptr<MysqlSession> again() const;
    void close();
    [[nodiscard]] bool open() const { return handle_ != nullptr; }

    using TakeColumns = std::function<void(std::span<const std::string> names)>;
    using TakeRow = std::function<void(MysqlRow row)>;
    // Sends one query and reads all rows of its result, in one step. A failure other than an error
    // reported by the server ends the connection.
    std::optional<MysqlFailure> query(const std::string& text, const TakeRow& take_row,
                                      const TakeColumns& take_columns = {});

    [[nodiscard]] std::uint64_t thread_id() const;     // of our own connection
    [[nodiscard]] std::string server_version() const;  // from the server's greeting
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const { return peer_pid_; }
    // The tuple of our own connection, as our kernel sees it; std::nullopt for a Unix socket.
    [[nodiscard]] std::optional<Tuple> own_connection() const;
    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }  // of the last answer

  private:
    struct Handle;  // MYSQL
    struct Step;
    std::optional<MysqlFailure> fail(const char* doing);
    std::optional<MysqlFailure> read_rows(Step& step, const TakeRow& take_row,
                                          const TakeColumns& take_columns);

    Credentials credentials_;
    Limits limits_;
    Endpoint server_;
    std::string path_;
    RunInside inside_;
    std::unique_ptr<Handle> handle_;
    TimeBudget time_;
    bool timed_out_ = false;
    std::optional<std::int32_t> peer_pid_;
    std::uint64_t bytes_read_ = 0;
};

}  // namespace connleak::probes

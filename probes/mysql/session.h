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
    unsigned int code = 0;  // 0 when it is none of the server's or the library's
    std::string text;
};

class MysqlSession {
  public:
    MysqlSession(Credentials credentials, Limits limits);
    MysqlSession(const MysqlSession&) = delete;
    MysqlSession& operator=(const MysqlSession&) = delete;
    ~MysqlSession();

    // Every step below is taken within a turn of it.
    [[nodiscard]] TimeBudget& time() { return time_; }

    void use_password(const std::string& password) { credentials_.password = password; }

    // Where to; `path` ("" for none) instead of `server` for a Unix socket.
    void aim(const Endpoint& server, const std::string& path, const RunInside& inside);
    // std::nullopt when it stands. A connection of its own, which ends with the session.
    std::optional<MysqlFailure> connect();
    // The same way once more, with what is left of the time.
    [[nodiscard]] std::unique_ptr<MysqlSession> again() const;
    void close();
    [[nodiscard]] bool open() const { return handle_ != nullptr; }

    using TakeColumns = std::function<void(std::span<const std::string> names)>;
    using TakeRow = std::function<void(MysqlRow row)>;
    // One question and all the rows of its answer, in one step. A failure that is not the server's
    // own word ends the connection.
    std::optional<MysqlFailure> query(const std::string& text, const TakeRow& take_row,
                                      const TakeColumns& take_columns = {});

    [[nodiscard]] std::uint64_t thread_id() const;     // our own id
    [[nodiscard]] std::string server_version() const;  // as it greeted
    [[nodiscard]] std::optional<std::int32_t> peer_pid() const { return peer_pid_; }
    // Our own connection as our kernel sees it; std::nullopt for a Unix socket.
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

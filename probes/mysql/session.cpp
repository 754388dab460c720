#include "probes/mysql/session.h"

#include <fmt/format.h>
#include <mysql.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "probes/error_text.h"
#include "system/errno_name.h"

namespace connleak::probes {

namespace {

// The limit of one packet: the longest that we read is a row of the process list.
constexpr unsigned long longest_packet = 16UL << 20U;
// The size of the stack on which libmariadb's calls run while they wait: TLS needs more than the
// default.
constexpr std::size_t stack_bytes = 256U << 10U;
// None of these sends the plain password to the server.
constexpr const char* trusted_logins =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec,"
    "auth_gssapi_client";

// Makes every close a reset, also a close by the library, so that no TIME-WAIT socket remains. The
// server still reads the COM_QUIT that was sent before the reset.
void leave_no_trace(int descriptor) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

struct MysqlSession::Handle {
    MYSQL mysql{};
    MYSQL_RES* result = nullptr;
};

// Runs one libmariadb call to completion. After the deadline, the call is told repeatedly that it
// has timed out until it returns: it must return, because its stack owns memory to be freed.
struct MysqlSession::Step {
    MYSQL& mysql;
    TimeBudget::Clock::time_point deadline;
    bool timed_out = false;
    bool connecting = false;

    template <class Begin, class Continue>
    void drive(Begin begin, Continue go_on) {
        int wanted = begin();
        while (wanted != 0) wanted = go_on(wait(wanted));
    }

    int wait(int wanted) {
        const int descriptor = static_cast<int>(mysql_get_socket(&mysql));
        if (std::exchange(connecting, false)) leave_no_trace(descriptor);
        pollfd polled{.fd = descriptor, .events = 0, .revents = 0};
        if ((wanted & MYSQL_WAIT_READ) != 0) polled.events |= POLLIN;
        if ((wanted & MYSQL_WAIT_WRITE) != 0) polled.events |= POLLOUT;
        if ((wanted & MYSQL_WAIT_EXCEPT) != 0) polled.events |= POLLPRI;
        for (;;) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline - TimeBudget::Clock::now());
            if (left.count() <= 0) break;
            const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
            if (ready < 0 && errno == EINTR) continue;
            if (ready <= 0) break;
            int events = 0;
            if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0) events |= MYSQL_WAIT_READ;
            if ((polled.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) events |= MYSQL_WAIT_WRITE;
            if ((polled.revents & POLLPRI) != 0) events |= MYSQL_WAIT_EXCEPT;
            return events & wanted;
        }
        timed_out = true;
        if (descriptor >= 0) ::shutdown(descriptor, SHUT_RDWR);
        return MYSQL_WAIT_TIMEOUT;
    }
};

std::string_view why_no_mysql() {
    return {};
}

MysqlSession::MysqlSession(Credentials credentials, Limits limits)
    : credentials_(std::move(credentials)), limits_(limits), time_(limits) {}

MysqlSession::~MysqlSession() {
    close();
    wipe(credentials_.password);
}

void MysqlSession::aim(const Endpoint& server, const std::string& path, const RunInside& inside) {
    server_ = server;
    path_ = path;
    inside_ = inside;
}

std::unique_ptr<MysqlSession> MysqlSession::again() const {
    auto second = std::make_unique<MysqlSession>(credentials_, limits_);
    second->aim(server_, path_, inside_);
    second->time_ = time_;
    return second;
}

std::optional<MysqlFailure> MysqlSession::connect() {
    close();
    handle_ = std::make_unique<Handle>();
    MYSQL& mysql = handle_->mysql;
    if (mysql_init(&mysql) == nullptr) {
        handle_.reset();
        return MysqlFailure{.text = "out of memory"};
    }
    mysql_options(&mysql, MYSQL_OPT_NONBLOCK, &stack_bytes);
    const my_bool no = 0;
    const my_bool yes = 1;
    const unsigned int no_files = 0;  // otherwise a server could request any of our files
    mysql_options(&mysql, MYSQL_OPT_LOCAL_INFILE, &no_files);
    mysql_options(&mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_options(&mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &longest_packet);
    mysql_options(&mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(&mysql, MARIADB_OPT_RESTRICTED_AUTH, trusted_logins);
    mysql_optionsv(&mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "connleak");
    if (credentials_.tls) {
        const TlsSettings& tls = *credentials_.tls;
        const auto set = [&](mysql_option option, const std::string& text) {
            if (!text.empty()) mysql_options(&mysql, option, text.c_str());
        };
        mysql_options(&mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
        mysql_options(&mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls.insecure ? &no : &yes);
        set(MYSQL_OPT_SSL_CA, tls.ca_file);
        set(MYSQL_OPT_SSL_CAPATH, tls.ca_folder);
        set(MYSQL_OPT_SSL_CERT, tls.certificate_file);
        set(MYSQL_OPT_SSL_KEY, tls.key_file);
    } else {
        // As without TLS: later versions of the library refuse unverified connections.
        mysql_options(&mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
    }
    // The login in the user's own option files is used, as by mysql(1).
    if (credentials_.defaults_file.empty())
        mysql_options(&mysql, MYSQL_READ_DEFAULT_GROUP, "connleak");
    else
        mysql_options(&mysql, MYSQL_READ_DEFAULT_FILE, credentials_.defaults_file.c_str());

    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? nullptr : text.c_str();
    };
    const std::string host = path_.empty() ? server_.address.text() : "localhost";
    Step step{.mysql = mysql, .deadline = time_.next_deadline(), .connecting = true};
    MYSQL* made = nullptr;
    int kept_out = 0;
    step.drive(
        [&] {
            int wanted = 0;
            kept_out = inside_([&] {
                wanted = mysql_real_connect_start(&made, &mysql, host.c_str(),
                                                  text_or_null(credentials_.user),
                                                  text_or_null(credentials_.password), nullptr,
                                                  server_.port, text_or_null(path_), 0);
            });
            return wanted;
        },
        [&](int events) { return mysql_real_connect_cont(&made, &mysql, events); });
    timed_out_ = step.timed_out;
    if (kept_out != 0) {
        close();
        return MysqlFailure{.error_class = MysqlErrorClass::unreachable,
                            .text = errno_name(kept_out)};
    }
    if (made == nullptr) {
        auto failed = fail("connecting");
        close();
        return failed;
    }
    if (!path_.empty()) peer_pid_ = peer_of(static_cast<int>(mysql_get_socket(&mysql)));
    return std::nullopt;
}

void MysqlSession::close() {
    if (!handle_) return;
    MYSQL& mysql = handle_->mysql;
    constexpr std::chrono::milliseconds for_goodbye{200};
    Step step{.mysql = mysql, .deadline = TimeBudget::Clock::now() + for_goodbye};
    step.drive([&] { return mysql_close_start(&mysql); },
               [&](int events) { return mysql_close_cont(&mysql, events); });
    handle_.reset();
}

std::optional<MysqlFailure> MysqlSession::fail(const char* doing) {
    MYSQL& mysql = handle_->mysql;
    MysqlFailure failure;
    failure.code = mysql_errno(&mysql);
    if (timed_out_) {
        failure.code = 0;
        failure.error_class = MysqlErrorClass::unreachable;
        failure.text = fmt::format("no answer within {:g} s ({})",
                                   static_cast<double>(time_.timeout().count()) / 1000, doing);
        return failure;
    }
    failure.error_class = mysql_error_class(failure.code);
    failure.text = server_line(mysql_error(&mysql), credentials_.password);
    if (failure.text.empty()) failure.text = fmt::format("error {} ({})", failure.code, doing);
    return failure;
}

std::optional<MysqlFailure> MysqlSession::query(const std::string& text, const TakeRow& take_row,
                                                const TakeColumns& take_columns) {
    if (!handle_)
        return MysqlFailure{.error_class = MysqlErrorClass::unreachable, .text = "not connected"};
    MYSQL& mysql = handle_->mysql;
    Step step{.mysql = mysql, .deadline = time_.next_deadline()};
    int failed = 0;
    bytes_read_ = 0;
    step.drive([&] { return mysql_real_query_start(&failed, &mysql, text.data(), text.size()); },
               [&](int events) { return mysql_real_query_cont(&failed, &mysql, events); });
    std::optional<MysqlFailure> failure;
    timed_out_ = step.timed_out;
    if (failed != 0)
        failure = fail("asking");
    else if (mysql_field_count(&mysql) > 0)
        failure = read_rows(step, take_row, take_columns);
    if (failure && failure->error_class == MysqlErrorClass::unreachable) close();
    return failure;
}

// Reads row by row, so that no answer fills the memory.
std::optional<MysqlFailure> MysqlSession::read_rows(Step& step, const TakeRow& take_row,
                                                    const TakeColumns& take_columns) {
    MYSQL& mysql = handle_->mysql;
    MYSQL_RES* const result = mysql_use_result(&mysql);
    if (result == nullptr) return fail("reading");
    const unsigned int columns = mysql_num_fields(result);
    std::vector<std::string> names;
    names.reserve(columns);
    const MYSQL_FIELD* fields = mysql_fetch_fields(result);
    for (unsigned int at = 0; at < columns; ++at)
        names.emplace_back(fields[at].name, fields[at].name_length);
    if (take_columns) take_columns(names);

    std::optional<MysqlFailure> failure;
    std::vector<std::optional<std::string_view>> values(columns);
    for (;;) {
        MYSQL_ROW row = nullptr;
        step.drive([&] { return mysql_fetch_row_start(&row, result); },
                   [&](int events) { return mysql_fetch_row_cont(&row, result, events); });
        if (row == nullptr) {
            timed_out_ = step.timed_out;
            if (mysql_errno(&mysql) != 0 || timed_out_) failure = fail("reading");
            break;
        }
        const unsigned long* const lengths = mysql_fetch_lengths(result);
        for (unsigned int at = 0; at < columns; ++at) {
            values[at].reset();
            if (row[at] != nullptr) values[at] = std::string_view(row[at], lengths[at]);
            bytes_read_ += lengths[at] + 1;
        }
        if (take_row) take_row(values);
        if (bytes_read_ <= limits_.bytes) continue;
        failure = MysqlFailure{.error_class = MysqlErrorClass::unreachable,
                               .text = "the answer is longer than the limit"};
        break;
    }
    // The rest of an unwanted answer is not read.
    if (failure) {
        const int descriptor = static_cast<int>(mysql_get_socket(&mysql));
        if (descriptor >= 0) ::shutdown(descriptor, SHUT_RDWR);
        failure->error_class = MysqlErrorClass::unreachable;
    }
    step.drive([&] { return mysql_free_result_start(result); },
               [&](int events) { return mysql_free_result_cont(result, events); });
    return failure;
}

std::uint64_t MysqlSession::thread_id() const {
    return handle_ ? mysql_thread_id(&handle_->mysql) : 0;
}

std::string MysqlSession::server_version() const {
    const char* text = handle_ ? mysql_get_server_info(&handle_->mysql) : nullptr;
    return text == nullptr ? std::string() : std::string(text);
}

std::optional<Tuple> MysqlSession::own_connection() const {
    if (!handle_ || !path_.empty()) return std::nullopt;
    const int descriptor = static_cast<int>(mysql_get_socket(&handle_->mysql));
    return tuple_of(descriptor);
}

}  // namespace connleak::probes

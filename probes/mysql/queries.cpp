// The queries to a MySQL server, and the commands of the verbs that act.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "probes/error_text.h"
#include "probes/mysql/mysql.h"
#include "probes/mysql/session.h"

namespace connleak::probes {

namespace {

constexpr const char* list_question = "SHOW PROCESSLIST";
constexpr const char* variables_question =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN "
    "('max_connections', 'wait_timeout', 'interactive_timeout')";
constexpr const char* counters_question =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Max_used_connections', "
    "'Aborted_clients', 'Aborted_connects', 'Connection_errors_max_connections', 'Connections', "
    "'Uptime')";

// If it is set, the process list shows the addresses that a proxy reports for its clients.
constexpr const char* proxies_question =
    "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE '%proxy_protocol_networks' AND Value <> ''";

constexpr const char* lacks_clients = "the server's process list: which connections it knows";
constexpr const char* lacks_settings = "the server's limits and counters";

std::optional<std::uint64_t> number(const MysqlNumbers& numbers, std::string_view name) {
    const auto found = numbers.find(name);
    return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

// The error text for Gap::error.
std::string gap_word(const MysqlFailure& failure) {
    return failure.code == 0 ? failure.text : fmt::format("{} ({})", failure.text, failure.code);
}

}  // namespace

struct MysqlConversation::Impl {
    Impl(std::string scope_, Credentials credentials, Limits limits)
        : scope(std::move(scope_)),
          second_password(std::exchange(credentials.second_password, {})),
          session(std::move(credentials), limits) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { wipe(second_password); }

    std::string scope;
    std::string second_password;
    MysqlSession session;
    std::optional<std::uint64_t> own_id;
    std::optional<Endpoint> own_address;
    std::string own_host;  // the column Host of our own row
    std::optional<std::int32_t> peer;
    std::optional<std::uint64_t> uptime_s;

    ServerAnswer converse();
    void run_queries(ServerAnswer& answer);
    void note(ServerAnswer& answer, const MysqlFailure& failure, const std::string& lacks) const;
    std::optional<MysqlFailure> connect(ServerAnswer& answer);
    std::optional<MysqlFailure> read_list(MysqlSession& from, std::vector<ServerClient>& clients,
                                          std::uint64_t& dropped);
    void ask_numbers(ServerAnswer& answer);
    void ask_clients(ServerAnswer& answer);
    void ask_threads(ServerAnswer& answer);
    void leave_out_own(ServerAnswer& answer);
    bool sees_everybody();
};

void MysqlConversation::Impl::note(ServerAnswer& answer, const MysqlFailure& failure,
                                   const std::string& lacks) const {
    if (answer.error.empty()) answer.error = failure.text;
    answer.gaps.push_back({"mysql", scope, gap_word(failure), lacks});
}

ServerAnswer MysqlConversation::Impl::converse() {
    const auto start = TimeBudget::Clock::now();
    ServerAnswer answer;
    answer.asked = true;
    answer.kind = ServerKind::mysql;
    session.time().refill();
    const TimeBudget::Turn turn(session.time());
    try {
        run_queries(answer);
    } catch (const std::exception& problem) {  // usually out of memory
        session.close();
        if (answer.error.empty()) answer.error = problem.what();
        answer.gaps.push_back({"mysql", scope, problem.what(), lacks_everything});
    }
    answer.asking_ms = milliseconds_since(start);
    return answer;
}

std::optional<MysqlFailure> MysqlConversation::Impl::connect(ServerAnswer& answer) {
    auto failed = session.connect();
    if (failed && failed->error_class == MysqlErrorClass::denied && !second_password.empty()) {
        session.use_password(second_password);
        failed = session.connect();
    }
    peer = session.peer_pid();
    if (!failed) return std::nullopt;
    switch (failed->error_class) {
        case MysqlErrorClass::at_limit:
            answer.reachable = true;
            answer.refused_at_limit = true;
            break;
        case MysqlErrorClass::denied:
        case MysqlErrorClass::other:
            answer.reachable = true;
            answer.login_denied = true;
            break;
        case MysqlErrorClass::unreachable:
            break;
    }
    return failed;
}

void MysqlConversation::Impl::run_queries(ServerAnswer& answer) {
    if (const auto failed = connect(answer)) return note(answer, *failed, lacks_everything);
    answer.reachable = true;
    const std::string greeting = session.server_version();
    answer.kind = mysql_kind(greeting);
    answer.version = mysql_version(greeting);
    answer.own_connection = session.own_connection();
    own_id = answer.own_id = session.thread_id();
    ask_numbers(answer);
    ask_clients(answer);
}

void MysqlConversation::Impl::ask_numbers(ServerAnswer& answer) {
    MysqlNumbers numbers;
    const auto take = [&](MysqlRow row) { add_number(row, numbers); };
    for (const char* question : {variables_question, counters_question}) {
        if (!session.open()) return;
        if (const auto failed = session.query(question, take))
            note(answer, *failed, lacks_settings);
    }
    answer.maxclients = number(numbers, "max_connections");
    answer.timeout_s = number(numbers, "wait_timeout");
    answer.interactive_timeout_s = number(numbers, "interactive_timeout");
    answer.connected_clients = number(numbers, "threads_connected");
    answer.max_used_connections = number(numbers, "max_used_connections");
    answer.aborted_clients = number(numbers, "aborted_clients");
    answer.aborted_connects = number(numbers, "aborted_connects");
    answer.rejected_connections = number(numbers, "connection_errors_max_connections");
    answer.total_connections_received = number(numbers, "connections");
    answer.uptime_s = uptime_s = number(numbers, "uptime");
}

// A user without the PROCESS privilege sees only their own threads.
bool MysqlConversation::Impl::sees_everybody() {
    bool sees = false;
    session.query("SHOW GRANTS", [&](MysqlRow row) {
        sees |= !row.empty() && row.front() && grants_process(*row.front());
    });
    return sees;
}

std::optional<MysqlFailure> MysqlConversation::Impl::read_list(MysqlSession& from,
                                                               std::vector<ServerClient>& clients,
                                                               std::uint64_t& dropped) {
    std::optional<ProcessList> list;
    auto failed = from.query(
        list_question, [&](MysqlRow row) { list->add(row); },
        [&](std::span<const std::string> columns) { list.emplace(columns); });
    if (failed) return failed;
    if (!list || !list->readable())
        return MysqlFailure{.error_class = MysqlErrorClass::other,
                            .code = 0,
                            .text = "SHOW PROCESSLIST was answered with something else"};
    dropped = list->dropped_rows();
    clients = list->take(uptime_s);
    return std::nullopt;
}

void MysqlConversation::Impl::ask_clients(ServerAnswer& answer) {
    if (!session.open()) return;
    const bool everybody = sees_everybody();
    if (!session.open())
        return note(answer,
                    {.error_class = MysqlErrorClass::unreachable, .code = 0, .text = "no answer"},
                    lacks_clients);
    const auto start = TimeBudget::Clock::now();
    std::uint64_t dropped = 0;
    if (const auto failed = read_list(session, answer.clients, dropped))
        return note(answer, *failed, lacks_clients);
    answer.client_list_ms = milliseconds_since(start);
    answer.client_list_bytes = session.bytes_read();
    answer.clients_complete = everybody && dropped == 0;
    if (!everybody)
        answer.gaps.push_back({"mysql", scope, "no PROCESS privilege",
                               "the connections of other users: the server shows this user only "
                               "its own; GRANT PROCESS ON *.* lets it see them"});
    else
        answer.listed_clients = answer.clients.size();
    if (dropped > 0)
        answer.gaps.push_back({"mysql", scope, "protocol error",
                               fmt::format("{} rows of the server's process list", dropped)});
    ask_threads(answer);
    leave_out_own(answer);
    bool by_proxies = false;
    const auto failed = session.query(proxies_question, [&](MysqlRow) { by_proxies = true; });
    if (!failed && !by_proxies) return;
    answer.clients.clear();
    answer.clients_complete = false;
    if (failed) return note(answer, *failed, lacks_clients);
    answer.gaps.push_back({"mysql", scope, "proxy_protocol_networks",
                           "which connections it knows: its process list tells addresses that "
                           "proxies have passed on, and those are no connections here"});
}

void MysqlConversation::Impl::leave_out_own(ServerAnswer& answer) {
    const auto own = std::ranges::find(answer.clients, own_id, [](const ServerClient& client) {
        return std::optional(client.id);
    });
    if (own == answer.clients.end()) return;
    own_address = answer.own_address_seen = own->address;
    answer.clients.erase(own);
}

// Maps server threads to clients if the rows alone do not identify the connections. MariaDB shows
// threads in the process list, MySQL in the performance schema; without it, only this mapping is
// missing.
void MysqlConversation::Impl::ask_threads(ServerAnswer& answer) {
    const bool is_mariadb = answer.kind == ServerKind::mariadb;
    const char* column = is_mariadb ? "TID" : "THREAD_OS_ID";
    for (ServerClient& client : answer.clients) client.native.add(column, std::nullopt);
    const auto named = [](const ServerClient& client) { return !client.address; };
    if (!session.open() || std::ranges::none_of(answer.clients, named)) return;
    std::map<std::uint64_t, std::uint64_t> threads;
    session.query(is_mariadb
                      ? "SELECT ID, TID FROM information_schema.PROCESSLIST"
                      : "SELECT PROCESSLIST_ID, THREAD_OS_ID FROM performance_schema.threads "
                        "WHERE PROCESSLIST_ID IS NOT NULL",
                  [&](MysqlRow row) {
                      if (const auto pair = two_numbers(row)) threads.insert(*pair);
                  });
    for (ServerClient& client : answer.clients) {
        const auto found = threads.find(client.id);
        if (found == threads.end() || !std::in_range<std::int32_t>(found->second)) continue;
        client.thread_id = static_cast<std::int32_t>(found->second);
        client.native.add(column, std::to_string(found->second));
    }
}

MysqlConversation::MysqlConversation(std::string scope, Credentials credentials, Limits limits)
    : impl_(std::make_unique<Impl>(std::move(scope), std::move(credentials), limits)) {}

MysqlConversation::~MysqlConversation() = default;

ServerAnswer MysqlConversation::ask(const Endpoint& server, const RunInside& inside) {
    impl_->session.aim(server, "", inside);
    return impl_->converse();
}

ServerAnswer MysqlConversation::ask_unix(const std::string& path, const RunInside& inside) {
    impl_->session.aim({}, path, inside);
    return impl_->converse();
}

std::optional<std::int32_t> MysqlConversation::peer_pid() const {
    return impl_->peer;
}

std::optional<std::vector<ServerClient>> MysqlConversation::clients_again() {
    if (!impl_->session.open()) return std::nullopt;
    const TimeBudget::Turn turn(impl_->session.time());
    std::vector<ServerClient> clients;
    std::uint64_t dropped = 0;
    if (impl_->read_list(impl_->session, clients, dropped) || dropped > 0) return std::nullopt;
    std::erase_if(clients, [&](const ServerClient& each) { return each.id == impl_->own_id; });
    return clients;
}

bool MysqlConversation::same_server_again() {
    if (!impl_->session.open() || !impl_->own_id || !impl_->own_address) return false;
    const TimeBudget::Turn turn(impl_->session.time());
    const auto second = impl_->session.again();
    const TimeBudget::Turn its_turn(second->time());
    if (second->connect()) return false;
    std::vector<ServerClient> clients;
    std::uint64_t dropped = 0;
    if (impl_->read_list(*second, clients, dropped)) return false;
    return std::ranges::any_of(clients, [&](const ServerClient& each) {
        return each.id == impl_->own_id && each.address == impl_->own_address;
    });
}

std::optional<std::vector<ServerClient>> MysqlConversation::clients_by_id(
    std::span<const std::uint64_t> ids) {
    impl_->session.time().refill();
    auto rows = clients_again();
    if (!rows) return std::nullopt;
    std::erase_if(*rows, [&](const ServerClient& row) {
        return std::ranges::find(ids, row.id) == ids.end();
    });
    return rows;
}

std::vector<KillAnswer> MysqlConversation::kill_clients(std::span<const std::uint64_t> ids) {
    constexpr unsigned int no_such_thread = 1094;  // ER_NO_SUCH_THREAD
    std::vector<KillAnswer> answers;
    if (!impl_->session.open()) return answers;
    impl_->session.time().refill();
    const TimeBudget::Turn turn(impl_->session.time());
    for (const std::uint64_t id : ids) {
        const auto failed = impl_->session.query(fmt::format("KILL CONNECTION {}", id), {});
        if (failed && failed->error_class == MysqlErrorClass::unreachable) break;
        KillAnswer answer;
        answer.killed = !failed;
        if (failed && failed->code != no_such_thread) answer.refusal = failed->text;
        answers.push_back(std::move(answer));
    }
    return answers;
}

std::string MysqlConversation::set_config(std::string_view name, std::string_view value) {
    impl_->session.time().refill();
    const TimeBudget::Turn turn(impl_->session.time());
    const auto failed = impl_->session.query(fmt::format("SET GLOBAL {} = {}", name, value), {});
    return failed ? failed->text : std::string();
}

}  // namespace connleak::probes

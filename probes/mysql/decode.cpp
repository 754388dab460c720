#include "probes/mysql/decode.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>

namespace connleak::probes {

namespace {

constexpr std::size_t text_limit = 320;  // a host name has up to 255 bytes, its port six more
constexpr std::size_t cut_host = 63;     // LIST_PROCESS_HOST_LEN minus its end (sql_show.cc)

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string small(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

std::string_view value(MysqlRow row, std::optional<std::size_t> column) {
    if (!column || *column >= row.size() || !row[*column]) return {};
    return row[*column]->substr(0, text_limit);
}

// The server's own threads have no client and so no client port. The name is not enough: a user can
// have the name of a replica's thread.
bool is_internal(const ServerClient& client, std::string_view host) {
    return host.empty() || client.command == "Daemon" ||
           (client.user == "system user" && !host.contains(':'));
}

// A replica that reads its master's log.
bool is_binlog_dump(std::string_view command) {
    return command.starts_with("Binlog Dump");
}

// From wait_timeout, which runs only while no command is executing.
std::optional<Exempt> exempt_from_timeout(std::string_view command) {
    if (is_binlog_dump(command)) return Exempt::replica;
    if (command != "Sleep") return Exempt::busy;
    return std::nullopt;
}

}  // namespace

ProcessList::ProcessList(std::span<const std::string> columns) {
    const auto find = [&](std::string_view name) -> Column {
        for (std::size_t at = 0; at < columns.size(); ++at)
            if (small(columns[at]) == name) return at;
        return std::nullopt;
    };
    id_ = find("id");
    user_ = find("user");
    host_ = find("host");
    database_ = find("db");
    command_ = find("command");
    time_ = find("time");
    state_ = find("state");
    progress_ = find("progress");
}

void ProcessList::add(MysqlRow row) {
    const auto id = number_in<std::uint64_t>(value(row, id_));
    if (!id) {
        ++dropped_;
        return;
    }
    ServerClient client;
    client.id = *id;
    client.user = value(row, user_);
    client.command = value(row, command_);
    client.database = value(row, database_);
    client.state = value(row, state_);
    client.idle_s = number_in<std::int64_t>(value(row, time_));
    const std::string_view host = value(row, host_);
    if (is_internal(client, host)) return;
    read_host(host, client);
    client.purpose = is_binlog_dump(client.command) ? Purpose::replication : Purpose::client;
    client.exempt = exempt_from_timeout(client.command);
    // All other columns except the query text, which is private.
    client.native.add("Host", host);
    if (progress_) client.native.add("Progress", value(row, progress_));
    clients_.push_back(std::move(client));
}

std::vector<ServerClient> ProcessList::take(std::optional<std::uint64_t> uptime_s) {
    // SET TIMESTAMP can set a thread's time to any value.
    for (ServerClient& client : clients_)
        if (client.idle_s &&
            (*client.idle_s < 0 || (uptime_s && std::cmp_greater(*client.idle_s, *uptime_s))))
            client.idle_s.reset();
    // Ids increase in order of connecting (next_thread_id()): a client with a smaller id than one
    // connected for an hour has been connected for at least an hour.
    std::ranges::sort(clients_, std::greater{}, &ServerClient::id);
    std::optional<std::int64_t> at_least;
    for (ServerClient& client : clients_) {
        if (client.idle_s) at_least = std::max(at_least.value_or(0), *client.idle_s);
        client.age_s = at_least;
        client.age_is_least = true;
    }
    std::ranges::reverse(clients_);
    return std::move(clients_);
}

void read_host(std::string_view host, ServerClient& client) {
    const std::size_t colon = host.rfind(':');
    // An address before its port is known; not a Unix socket's.
    if (colon == std::string_view::npos) {
        if (host == "localhost")
            client.by_unix_socket = client.unnamed = true;
        else
            client.host_name = host;
        return;
    }
    const std::string_view digits = host.substr(colon + 1);
    auto port = number_in<std::uint16_t>(digits);
    // Servers truncate a long name together with its port; a port of five digits is complete.
    if (host.size() >= cut_host && digits.size() < 5) port.reset();
    std::string_view name = host.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    const auto address = Address::parse(name);
    if (port && address) {
        client.address = Endpoint{*address, *port};
        return;
    }
    client.host_name = name;
    client.host_port = port;
}

bool grants_process(std::string_view grant) {
    const std::string line = small(grant);
    const std::string_view text = line;
    constexpr std::string_view begin = "grant ";
    const std::size_t end = text.find(" on *.* to ");
    if (!text.starts_with(begin) || end == std::string_view::npos) return false;
    std::string_view privileges = text.substr(begin.size(), end - begin.size());
    // Only names are quoted, and they can contain anything: this is a different kind of line.
    if (privileges.find_first_of("`'\"") != std::string_view::npos) return false;
    while (!privileges.empty()) {
        const std::size_t comma = privileges.find(", ");
        const std::string_view one = privileges.substr(0, comma);
        if (one == "process" || one == "all privileges") return true;
        if (comma == std::string_view::npos) break;
        privileges.remove_prefix(comma + 2);
    }
    return false;
}

ServerKind mysql_kind(std::string_view version) {
    return small(version).contains("mariadb") ? ServerKind::mariadb : ServerKind::mysql;
}

std::string_view mysql_version(std::string_view version) {
    constexpr std::string_view for_old_clients = "5.5.5-";
    if (version.starts_with(for_old_clients) && mysql_kind(version) == ServerKind::mariadb)
        version.remove_prefix(for_old_clients.size());
    return version.substr(0, std::min(version.find(' '), text_limit));  // "… from Debian" of 11.8
}

void add_number(MysqlRow row, MysqlNumbers& numbers) {
    if (row.size() < 2 || !row[0] || !row[1]) return;
    if (const auto number = number_in<std::uint64_t>(*row[1])) numbers[small(*row[0])] = *number;
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> two_numbers(MysqlRow row) {
    if (row.size() < 2 || !row[0] || !row[1]) return std::nullopt;
    const auto first = number_in<std::uint64_t>(*row[0]);
    const auto second = number_in<std::uint64_t>(*row[1]);
    if (!first || !second) return std::nullopt;
    return std::pair(*first, *second);
}

MysqlErrorClass mysql_error_class(unsigned int code) {
    constexpr unsigned int first_of_client = 2000;  // CR_MIN_ERROR
    constexpr unsigned int last_of_client = 2999;
    constexpr unsigned int tls_failed = 2026;      // CR_SSL_CONNECTION_ERROR
    constexpr unsigned int unknown_plugin = 2059;  // CR_AUTH_PLUGIN_CANNOT_LOAD
    switch (code) {
        case 1040:  // ER_CON_COUNT_ERROR
            return MysqlErrorClass::at_limit;
        case 1044:  // ER_DBACCESS_DENIED_ERROR
        case 1045:  // ER_ACCESS_DENIED_ERROR
        case 1129:  // ER_HOST_IS_BLOCKED
        case 1130:  // ER_HOST_NOT_PRIVILEGED
        case 1203:  // ER_TOO_MANY_USER_CONNECTIONS
        case 1226:  // ER_USER_LIMIT_REACHED
        case 1251:  // ER_NOT_SUPPORTED_AUTH_MODE
        case 1524:  // ER_PLUGIN_IS_NOT_LOADED
        case 1698:  // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
        case 1820:  // ER_MUST_CHANGE_PASSWORD
        case 3118:  // ER_ACCOUNT_HAS_BEEN_LOCKED (MySQL)
        case 4151:  // ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)
        case tls_failed:
        case unknown_plugin:
            return MysqlErrorClass::denied;
        default:
            break;
    }
    return code >= first_of_client && code <= last_of_client ? MysqlErrorClass::unreachable
                                                             : MysqlErrorClass::other;
}

}  // namespace connleak::probes

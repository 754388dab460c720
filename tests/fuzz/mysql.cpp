// A process list, grants, versions and numbers as a hostile MySQL may send them, and a thread's
// blocked call. A line is a row, a tab ends a value, "\x01" alone is NULL; the first line names the
// columns.
#include "probes/mysql/decode.h"
#include "probes/proc/thread_sockets.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace connleak;

using Cells = std::vector<std::optional<std::string_view>>;

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(at);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

Cells cells(std::string_view line) {
    Cells row;
    for (const std::string_view value : split(line, '\t'))
        row.push_back(value == "\x01" ? std::nullopt : std::optional(value));
    return row;
}

// What the other parts rely on, whatever came.
void check(const ServerClient& client) {
    const int places = int(client.address.has_value()) + int(client.by_unix_socket) +
                       int(!client.host_name.empty());
    if (places > 1) std::abort();
    if (client.host_port && client.address) std::abort();
    if (client.thread_id || client.fd) std::abort();
    for (const auto& number : {client.idle_s, client.age_s})
        if (number && *number < 0) std::abort();
    if (client.idle_s && client.age_s < client.idle_s) std::abort();
    for (const std::string& text :
         {client.user, client.command, client.database, client.state, client.host_name})
        if (text.size() > 1024) std::abort();
}

void check_list(const std::vector<std::string_view>& lines) {
    std::vector<std::string> columns;
    for (const std::string_view name : split(lines.front(), '\t')) columns.emplace_back(name);
    probes::ProcessList list(columns);
    probes::MysqlNumbers numbers;
    for (const std::string_view line : lines) {
        const Cells row = cells(line);
        list.add(row);
        probes::add_number(row, numbers);
        (void)probes::two_numbers(row);
    }
    if (!list.readable() && list.dropped_rows() > lines.size()) std::abort();
    const std::uint64_t uptime_s = lines.size() * 1000;
    const std::size_t rows = lines.size() - list.dropped_rows();
    const auto clients = list.take(uptime_s);
    if (clients.size() > rows) std::abort();
    const ServerClient* before = nullptr;
    for (const ServerClient& client : clients) {
        check(client);
        if (client.idle_s && std::cmp_greater(*client.idle_s, uptime_s)) std::abort();
        // Nobody is younger than who came later.
        if (before != nullptr && before->id > client.id) std::abort();
        if (before != nullptr && before->age_s < client.age_s) std::abort();
        before = &client;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::vector<std::string_view> lines = split(text, '\n');
    check_list(lines);
    for (const std::string_view line : lines) {
        if (line.size() <= 512) {
            ServerClient client;
            probes::read_host(line, client);
            check(client);
        }
        // Inside quotes nothing is granted.
        const std::string quoted = "GRANT SELECT ON `" + std::string(line) + "`.* TO `a`@`b`";
        if (probes::grants_process(quoted)) std::abort();
        (void)probes::grants_process(line);
        if (probes::mysql_version(line).size() > line.size()) std::abort();
        if (const auto call = probes::parse_blocked_call(line); call && call->number < 0)
            std::abort();
    }
    return 0;
}

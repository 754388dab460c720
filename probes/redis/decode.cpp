#include "probes/redis/decode.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

#include "probes/redis/role.h"

namespace connleak::probes {

namespace {

// No server has this many clients: by default a process cannot hold more descriptors (fs.nr_open).
// The rest of a longer list is counted as dropped, so that a hostile reply cannot use all memory.
constexpr std::size_t most_clients = 1U << 20U;
// Memory is reserved for rows of this size; shorter ones cost a reallocation.
constexpr std::size_t usual_row_size = 128;
// Above the seconds since 1970, which a server reports if its clock was set after it had started.
constexpr std::int64_t longest_time_s = 10'000'000'000;

template <typename Number>
std::optional<Number> number(std::string_view text, Number low,
                             Number high = std::numeric_limits<Number>::max()) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (value < low || value > high) return std::nullopt;
    return value;
}

std::optional<std::int64_t> count(std::string_view text) {
    return number<std::int64_t>(text, 0);
}

std::optional<std::int64_t> seconds(std::string_view text) {
    return number<std::int64_t>(text, 0, longest_time_s);
}

// Removes the next line from the front of `text` and returns it without its end.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// The text of one row. The path of a Unix socket can contain newlines: such a row ends after the
// fields that follow an address. No row begins within another one.
std::string_view take_row(std::string_view& text) {
    constexpr std::size_t longest_path = 108;
    const char* const begin = text.data();
    std::string_view row = take_line(text);
    for (std::size_t lines = 0; lines < 2 * longest_path && !text.empty(); ++lines) {
        if (!row.contains("addr=/") || row.contains(" fd=") || text.starts_with("id=")) break;
        const std::string_view next = take_line(text);
        row = {begin, static_cast<std::size_t>(next.data() + next.size() - begin)};
    }
    return row;
}

// "10.0.0.1:6379" and "[::1]:6379", and the form of old versions and Dragonfly: "::1:6379", where
// only the last colon separates the port. "?:0" is no endpoint.
std::optional<Endpoint> endpoint(std::string_view text) {
    if (auto usual = Endpoint::parse(text)) return usual;
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    host = host.substr(0, host.find('%'));
    const auto address = Address::parse(host);
    const auto port = number<std::uint16_t>(text.substr(colon + 1), 0);
    if (!address || !port) return std::nullopt;
    return Endpoint{*address, *port};
}

// The path of a Unix socket, which Redis writes with a port of 0. Redis truncates a long path, and
// then the port is missing.
std::string_view unix_path(std::string_view address) {
    if (!address.starts_with('/')) return {};
    if (address.ends_with(":0")) address.remove_suffix(2);
    return address;
}

// Up to eight letters as one number, for use in a switch. No wanted name is longer.
constexpr std::uint64_t key(std::string_view name) {
    if (name.size() > sizeof(std::uint64_t)) return 0;
    std::uint64_t value = 0;
    for (const char letter : name)
        value = value << 8U | static_cast<std::uint64_t>(static_cast<unsigned char>(letter));
    return value;
}

// If a version does not report one of these fields, the field is present as unknown.
constexpr std::array<std::string_view, 8> usual_native{"flags", "fd",   "sub",      "psub",
                                                       "qbuf",  "omem", "lib-name", "lib-ver"};

// A row being parsed: some facts depend on several fields.
struct Row {
    ServerClient client;
    std::string_view flags;
    bool subscribes = false;
    std::uint32_t usual = 0;  // bit mask of the usual_native fields that it has
};

// Returns whether the field is one that identifies a line as a client's row.
bool apply_field(std::string_view name, std::string_view value, Row& row) {
    ServerClient& client = row.client;
    const auto native = [&] {
        client.native.add(name, value.empty() ? std::nullopt : std::optional(value));
    };
    const auto usual = [&] {
        const auto* at = std::ranges::find(usual_native, name);
        row.usual |= 1U << static_cast<unsigned>(at - usual_native.begin());
        native();
    };
    switch (key(name)) {
        case key("id"):
            client.id = number<std::uint64_t>(value, 0).value_or(0);
            return true;
        case key("addr"):
            client.path = unix_path(value);
            client.address = client.path.empty() ? endpoint(value) : std::nullopt;
            return true;
        case key("laddr"):
            if (unix_path(value).empty()) client.local_address = endpoint(value);
            return false;
        case key("fd"):
            client.fd = number<std::int32_t>(value, -1);
            usual();
            return true;
        case key("name"):
            client.name = value;
            return false;
        case key("flags"):
            row.flags = value;
            usual();
            return false;
        case key("user"):
            client.user = value;
            return false;
        case key("cmd"):
            client.command = value;
            return false;
        case key("age"):
            client.age_s = seconds(value);
            return false;
        case key("idle"):
            client.idle_s = seconds(value);
            return false;
        case key("db"):
            client.database = count(value) ? value : std::string_view{};
            return false;
        case key("tot-mem"):
            client.memory_bytes = count(value);
            return false;
        case key("sub"):
        case key("psub"):
            row.subscribes |= count(value).value_or(0) > 0;
            usual();
            return false;
        case key("qbuf"):
        case key("omem"):
        case key("lib-name"):
        case key("lib-ver"):
            usual();
            return false;
        default:
            native();
            return false;
    }
}

// "sentinel-", eight digits of its run id, and the purpose of the link (sentinelSetClientName()).
bool is_sentinels_name(std::string_view name) {
    constexpr std::string_view begin = "sentinel-";
    constexpr std::size_t digits = 8;
    if (!name.starts_with(begin) || !(name.ends_with("-cmd") || name.ends_with("-pubsub")))
        return false;
    name.remove_prefix(begin.size());
    return name.find('-') == digits && name.find_first_not_of("0123456789abcdef") == digits;
}

// Dragonfly's rows have no flags.
std::optional<Purpose> purpose_of(const Row& row) {
    if (row.flags.empty()) return std::nullopt;
    if (row.flags.contains('S')) return Purpose::replication;
    if (row.flags.contains('O')) return Purpose::monitor;
    return row.client.name && is_sentinels_name(*row.client.name) ? Purpose::sentinel
                                                                  : Purpose::client;
}

// The clients that clientsCronHandleTimeout() skips.
std::optional<Exempt> exempt_from_timeout(const Row& row) {
    const auto has = [&](char flag) { return row.flags.contains(flag); };
    if (has('O')) return Exempt::monitor;  // monitors have a replica's flag as well
    if (has('S')) return Exempt::replica;
    if (has('M')) return Exempt::master;
    if (has('b')) return Exempt::blocked;
    if (has('P') || row.subscribes) return Exempt::subscriber;
    return std::nullopt;
}

void conclude(Row& row) {
    ServerClient& client = row.client;
    client.purpose = purpose_of(row);
    client.exempt = exempt_from_timeout(row);
    client.opened_by_server = row.flags.contains('M');
    client.by_unix_socket = !client.path.empty() || row.flags.contains('U');
    for (unsigned at = 0; at < usual_native.size(); ++at)
        if ((row.usual >> at & 1U) == 0) client.native.add(usual_native[at], std::nullopt);
}

bool starts_name(char letter) {
    return letter >= 'a' && letter <= 'z';
}

bool in_name(char letter) {
    return starts_name(letter) || letter == '-' || letter == '_' ||
           (letter >= '0' && letter <= '9');
}

// The end of the name of the field that begins at `begin`, or npos if no field begins there.
std::size_t name_end(std::string_view line, std::size_t begin) {
    if (begin >= line.size() || !starts_name(line[begin])) return std::string_view::npos;
    std::size_t at = begin;
    while (at < line.size() && in_name(line[at])) ++at;
    return at < line.size() && line[at] == '=' ? at : std::string_view::npos;
}

// A path can contain blanks, and even " b=c". It ends at its ":0", or, if truncated, before the
// fields that follow an address in every version.
bool path_goes_on(std::string_view value, std::string_view rest) {
    return value.starts_with('/') && !value.ends_with(":0") && !rest.starts_with("laddr=") &&
           !rest.starts_with("fd=");
}

// Parses the fields of a row, separated by blanks. A word that does not look like a field belongs
// to the value before it; before the first field it is ignored.
bool parse_row(std::string_view line, ServerClient& into) {
    constexpr std::size_t none = std::string_view::npos;
    Row row;
    row.client.native.reserve(line.size());
    bool is_row = false;
    std::size_t begin = 0;
    std::size_t name_stop = name_end(line, begin);
    while (name_stop == none) {
        begin = line.find(' ', begin);
        if (begin == none) return false;
        name_stop = name_end(line, ++begin);
    }
    while (name_stop != none) {
        const std::string_view name = line.substr(begin, name_stop - begin);
        const bool is_address = name == "addr" || name == "laddr";
        const std::size_t value_begin = name_stop + 1;
        std::size_t value_end = line.find(' ', value_begin);
        name_stop = none;
        while (value_end != none) {
            begin = value_end + 1;
            const std::string_view value = line.substr(value_begin, value_end - value_begin);
            if (!is_address || !path_goes_on(value, line.substr(begin)))
                name_stop = name_end(line, begin);
            if (name_stop != none) break;
            value_end = line.find(' ', begin);
        }
        // The last value extends to the end of the line.
        std::string_view value = line.substr(0, value_end).substr(value_begin);
        while (value.ends_with(' ')) value.remove_suffix(1);
        if (apply_field(name, value, row)) is_row = true;
    }
    conclude(row);
    into = std::move(row.client);
    return is_row;
}

}  // namespace

std::unordered_map<std::string_view, std::string_view> parse_info(std::string_view text) {
    std::unordered_map<std::string_view, std::string_view> fields;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const std::size_t colon = line.find(':');
        if (line.starts_with('#') || colon == std::string_view::npos) continue;
        fields.emplace(line.substr(0, colon), line.substr(colon + 1));
    }
    return fields;
}

void apply_info(std::string_view text, ServerAnswer& answer) {
    const auto fields = parse_info(text);
    const auto field = [&fields](std::string_view name) {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string_view{} : found->second;
    };
    const auto fill = [&field](std::string_view name, std::optional<std::uint64_t>& fact) {
        if (const auto value = number<std::uint64_t>(field(name), 0)) fact = value;
    };

    // Every fork sets redis_version to the Redis version it is compatible with. KeyDB sets its own
    // version there, and is recognized by its program's name or by the section that only KeyDB has.
    const std::string_view executable = field("executable");
    const std::string_view program = executable.substr(executable.rfind('/') + 1);
    answer.version = field("redis_version");
    // "dfly_version" before Dragonfly 1.2.
    const std::string_view dragonfly =
        field("dragonfly_version").empty() ? field("dfly_version") : field("dragonfly_version");
    if (!dragonfly.empty()) {
        answer.kind = ServerKind::dragonfly;
        answer.version = dragonfly;
    } else if (field("server_name") == "valkey" || !field("valkey_version").empty()) {
        answer.kind = ServerKind::valkey;
        if (!field("valkey_version").empty()) answer.version = field("valkey_version");
    } else if (program.starts_with("keydb") || !field("mvcc_depth").empty() ||
               !field("keydb_version").empty()) {
        answer.kind = ServerKind::keydb;
    } else {
        answer.kind = ServerKind::redis;
    }
    answer.run_id = field("run_id");
    answer.process_id = number<std::int32_t>(field("process_id"), 1);
    fill("connected_clients", answer.connected_clients);
    fill("blocked_clients", answer.blocked_clients);
    fill("max_clients", answer.maxclients);  // Dragonfly's name for it
    fill("maxclients", answer.maxclients);
    fill("rejected_connections", answer.rejected_connections);
    fill("total_connections_received", answer.total_connections_received);
    fill("uptime_in_seconds", answer.uptime_s);
    answer.topology = parse_topology(fields);
}

ClientList parse_client_list(std::string_view text) {
    ClientList list;
    list.clients.reserve(std::min(most_clients, text.size() / usual_row_size + 1));
    while (!text.empty()) {
        const std::string_view line = take_row(text);
        if (line.empty()) continue;
        if (list.clients.size() == most_clients) {
            ++list.dropped_lines;
            continue;
        }
        if (!parse_row(line, list.clients.emplace_back())) {
            list.clients.pop_back();
            ++list.dropped_lines;
        }
    }
    return list;
}

}  // namespace connleak::probes

#include "collect/snapshot/records.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "diagnosis/model/report.h"

namespace connleak::collect {

namespace {

using Json = nlohmann::json;

// This only limits memory and output lines: the parser has already bounded the length.
constexpr std::size_t longest_text = 4096;

const Json* member(const Json& object, const char* name) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
}

// The number if it is present and fits, else std::nullopt.
template <typename T>
std::optional<T> number(const Json& object, const char* name) {
    const Json* value = member(object, name);
    if (value == nullptr || !value->is_number_integer()) return std::nullopt;
    if (value->is_number_unsigned()) {
        const auto wide = value->get<std::uint64_t>();
        if (std::in_range<T>(wide)) return static_cast<T>(wide);
        return std::nullopt;
    }
    const auto wide = value->get<std::int64_t>();
    if (std::in_range<T>(wide)) return static_cast<T>(wide);
    return std::nullopt;
}

bool flag(const Json& object, const char* name) {
    const Json* value = member(object, name);
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::optional<Endpoint> endpoint(const Json& object, const char* name) {
    const Json* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    const auto address = Address::parse(text_of(*value, "address"));
    const auto port = number<std::uint16_t>(*value, "port");
    if (!address || !port) return std::nullopt;
    return Endpoint{*address, *port};
}

template <typename Value, std::size_t size>
std::optional<Value> by_word(const std::array<Value, size>& values, std::string_view text) {
    const auto found =
        std::ranges::find_if(values, [&](Value each) { return to_string(each) == text; });
    return found == values.end() ? std::nullopt : std::optional(*found);
}

constexpr std::array states{State::established, State::syn_sent,   State::syn_received,
                            State::fin_wait_1,  State::fin_wait_2, State::time_wait,
                            State::closed,      State::close_wait, State::last_ack,
                            State::listen,      State::closing};
constexpr std::array timers{TimerKind::off,      TimerKind::retransmit, TimerKind::keepalive,
                            TimerKind::timewait, TimerKind::persist,    TimerKind::delack};
constexpr std::array translations{Translation::none, Translation::tracked, Translation::unknown,
                                  Translation::possible};
constexpr std::array group_kinds{GroupKind::php_fpm_pool, GroupKind::unit, GroupKind::container,
                                 GroupKind::executable};

// "02:42:ac:11:00:02"; empty for anything else.
std::vector<std::uint8_t> hardware_address(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    constexpr std::size_t longest = 32;
    for (std::size_t at = 0; at + 2 <= text.size() && bytes.size() < longest; at += 3) {
        std::uint8_t byte = 0;
        const char* const end = text.data() + at + 2;
        const auto read = std::from_chars(text.data() + at, end, byte, 16);
        if (read.ec != std::errc{} || read.ptr != end) return {};
        if (at + 2 < text.size() && text[at + 2] != ':') return {};
        bytes.push_back(byte);
    }
    return bytes;
}

Link link_of(const Json& object) {
    Link link;
    link.index = number<std::uint32_t>(object, "index").value_or(0);
    link.name = text_of(object, "name");
    link.kind = text_of(object, "kind");
    link.hardware_address = hardware_address(text_of(object, "hardware_address"));
    link.peer_netns = number<NetnsId>(object, "peer_netns");
    link.up = flag(object, "up");
    link.loopback = flag(object, "loopback");
    link.programmed = flag(object, "programmed");
    return link;
}

std::optional<TcpInfo> info_of(const Json& object) {
    const auto received = number<std::uint32_t>(object, "last_data_received_ms");
    const auto sent = number<std::uint32_t>(object, "last_data_sent_ms");
    const auto heard = number<std::uint32_t>(object, "last_ack_received_ms");
    if (!received || !sent || !heard) return std::nullopt;
    TcpInfo info;
    info.last_data_received_ms = *received;
    info.last_data_sent_ms = *sent;
    info.last_ack_received_ms = *heard;
    info.unacked = number<std::uint32_t>(object, "unacked").value_or(0);
    info.rtt_us = number<std::uint32_t>(object, "rtt_us").value_or(0);
    info.total_retransmits = number<std::uint32_t>(object, "total_retransmits").value_or(0);
    info.backoff = number<std::uint8_t>(object, "backoff").value_or(0);
    info.probes = number<std::uint8_t>(object, "probes").value_or(0);
    return info;
}

// The `count` digits at `at`, in a text like "2026-11-20T22:35:55".
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// Days since 1970-01-01 of the proleptic Gregorian calendar.
std::int64_t days_since_epoch(int year, int month, int day) {
    constexpr std::array<int, 12> before{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int last = year - 1;
    return std::int64_t{365} * (year - 1970) + (last / 4 - last / 100 + last / 400) -
           (1969 / 4 - 1969 / 100 + 1969 / 400) + before[static_cast<std::size_t>(month - 1)] +
           (leap && month > 2 ? 1 : 0) + day - 1;
}

}  // namespace

std::string text_of(const Json& object, const char* name) {
    const Json* value = member(object, name);
    if (value == nullptr || !value->is_string()) return {};
    return value->get_ref<const std::string&>().substr(0, longest_text);
}

std::optional<Tuple> tuple_of(const Json& socket) {
    const auto local = endpoint(socket, "local");
    const auto remote = endpoint(socket, "remote");
    if (!local || !remote) return std::nullopt;
    return Tuple{*local, *remote};
}

std::expected<Namespace, std::string> namespace_of(const Json& object) {
    Namespace place;
    const auto id = number<NetnsId>(object, "id");
    const Json* addresses = member(object, "addresses");
    if (!id || *id >= first_peer_netns || addresses == nullptr || !addresses->is_array())
        return std::unexpected("a network namespace lacks its id or its addresses");
    place.id = *id;
    place.name = text_of(object, "name");
    place.own = flag(object, "own");
    place.complete = flag(object, "complete");
    place.translation =
        by_word(translations, text_of(object, "translation")).value_or(Translation::unknown);
    place.bridge_translates = flag(object, "bridge_translates");
    if (const Json* links = member(object, "links"); links != nullptr && links->is_array())
        for (const Json& each : *links) place.links.push_back(link_of(each));
    for (const Json& each : *addresses) {
        const auto address =
            each.is_string() ? Address::parse(each.get_ref<const std::string&>()) : std::nullopt;
        if (!address) return std::unexpected("an address that is none");
        place.addresses.push_back({*address, 0, 0});
    }
    if (const Json* prefixes = member(object, "prefixes");
        prefixes != nullptr && prefixes->is_array()) {
        for (const Json& each : *prefixes) {
            const auto address = Address::parse(text_of(each, "address"));
            const auto own =
                address ? std::ranges::find(place.addresses, *address, &InterfaceAddress::address)
                        : place.addresses.end();
            if (own == place.addresses.end()) continue;
            own->prefix_length = number<std::uint8_t>(each, "prefix_length").value_or(0);
            own->interface = number<std::uint32_t>(each, "link").value_or(0);
        }
    }
    return place;
}

std::optional<TrackedConnection> translation_of(const Json& object) {
    const auto ends = [&](const char* name) -> std::optional<Tuple> {
        const Json* both = member(object, name);
        if (both == nullptr) return std::nullopt;
        const auto source = endpoint(*both, "source");
        const auto destination = endpoint(*both, "destination");
        if (!source || !destination) return std::nullopt;
        return Tuple{*source, *destination};
    };
    const auto netns = number<NetnsId>(object, "netns");
    const auto original = ends("original");
    const auto reply = ends("reply");
    if (!netns || !original || !reply) return std::nullopt;
    return TrackedConnection{*netns, *original, *reply, 0, false};
}

std::expected<Socket, std::string> socket_of(const Json& object) {
    const auto tuple = tuple_of(object);
    const auto state = by_word(states, text_of(object, "state"));
    const auto netns = number<NetnsId>(object, "netns");
    if (!tuple || !state || !netns)
        return std::unexpected("a socket lacks its ends, its state or its namespace");
    Socket socket;
    socket.tuple = *tuple;
    socket.state = *state;
    socket.netns = *netns;
    socket.ipv6_socket = text_of(object, "family") == "ipv6";
    socket.inode = number<std::uint32_t>(object, "inode").value_or(0);
    socket.uid = number<std::uint32_t>(object, "uid").value_or(0);
    socket.rx_queue_bytes = number<std::uint32_t>(object, "rx_queue_bytes").value_or(0);
    socket.tx_queue_bytes = number<std::uint32_t>(object, "tx_queue_bytes").value_or(0);
    const std::string cookie = text_of(object, "cookie");
    std::from_chars(cookie.data(), cookie.data() + cookie.size(), socket.cookie, 16);
    if (const Json* timer = member(object, "timer")) {
        socket.timer.kind = by_word(timers, text_of(*timer, "kind")).value_or(TimerKind::off);
        socket.timer.expires_ms = number<std::uint32_t>(*timer, "expires_ms").value_or(0);
        socket.timer.retransmits = number<std::uint32_t>(*timer, "retransmits").value_or(0);
    }
    socket.info = info_of(object);
    return socket;
}

std::optional<Process> process_of(const Json& object) {
    const auto pid = number<std::int32_t>(object, "pid");
    if (!pid || *pid <= 0) return std::nullopt;
    Process process;
    process.pid = process.namespace_pid = *pid;
    process.start_time = parse_rfc3339_ms(text_of(object, "start_time")).value_or(0) / 1000;
    process.comm = text_of(object, "comm");
    process.command = text_of(object, "command");
    process.user = text_of(object, "user");
    process.unit = text_of(object, "unit");
    process.container = text_of(object, "container");
    process.netns = number<NetnsId>(object, "netns").value_or(0);
    process.group = text_of(object, "group");
    process.group_kind =
        by_word(group_kinds, text_of(object, "group_kind")).value_or(GroupKind::executable);
    return process;
}

void take_owners(const Json& socket, const Socket& record, Processes& processes) {
    const Json* owners = member(socket, "owners");
    if (record.inode == 0 || owners == nullptr || !owners->is_array()) return;
    std::vector<Owner> list;
    for (const Json& each : *owners) {
        auto process = process_of(each);
        const auto fd = number<std::int32_t>(each, "fd");
        if (!process) continue;
        list.push_back({process->pid, fd.value_or(-1)});
        if (processes.by_pid.contains(process->pid)) continue;
        process->command = process->comm;
        process->group = text_of(socket, "group");
        if (process->group.empty()) process->group = process->comm;
        process->unit = text_of(socket, "unit");
        process->container = text_of(socket, "container");
        processes.by_pid.emplace(process->pid, std::move(*process));
    }
    std::ranges::sort(list);
    processes.owners[record.inode] = std::move(list);
}

void read_clock(const Json& clock, ParsedSnapshot& into) {
    into.boottime_ms = number<std::int64_t>(clock, "boottime_ms");
    const Json* synchronized = member(clock, "synchronized");
    if (synchronized != nullptr && synchronized->is_boolean())
        into.synchronized = synchronized->get<bool>();
}

std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text) {
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    const auto second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' ||
        text[7] != '-' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') ||
        text[13] != ':' || text[16] != ':')
        return std::nullopt;
    if (*year < 1970 || *month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 ||
        *minute > 59 || *second > 60)
        return std::nullopt;
    std::int64_t result =
        ((days_since_epoch(*year, *month, *day) * 24 + *hour) * 60 + *minute) * 60;
    result = (result + *second) * 1000;
    std::size_t at = 19;
    if (at < text.size() && text[at] == '.') {
        std::int64_t unit = 100;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            result += (text[at] - '0') * unit;
    }
    const std::string_view zone = text.substr(std::min(at, text.size()));
    if (zone == "Z" || zone == "z") return result;
    const auto hours = digits(zone, 1, 2);
    const auto minutes = digits(zone, 4, 2);
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours ||
        !minutes)
        return std::nullopt;
    const std::int64_t offset = (std::int64_t{*hours} * 60 + *minutes) * 60'000;
    return zone[0] == '+' ? result - offset : result + offset;
}

}  // namespace connleak::collect

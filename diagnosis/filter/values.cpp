#include "diagnosis/filter/values.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace connleak::filter {

namespace {

using Failure = std::unexpected<std::string>;

struct NamedStates {
    std::string_view name;
    std::uint32_t states;
};

constexpr std::uint32_t bucket = state_bit(State::syn_received) | state_bit(State::time_wait);
constexpr std::uint32_t connected =
    all_states & ~(state_bit(State::closed) | state_bit(State::listen));

constexpr std::array state_names{
    NamedStates{"established", state_bit(State::established)},
    NamedStates{"estab", state_bit(State::established)},
    NamedStates{"syn-sent", state_bit(State::syn_sent)},
    NamedStates{"syn-recv", state_bit(State::syn_received)},
    NamedStates{"syn-rcv", state_bit(State::syn_received)},
    NamedStates{"syn-received", state_bit(State::syn_received)},
    NamedStates{"fin-wait-1", state_bit(State::fin_wait_1)},
    NamedStates{"fin-wait-2", state_bit(State::fin_wait_2)},
    NamedStates{"time-wait", state_bit(State::time_wait)},
    NamedStates{"closed", state_bit(State::closed)},
    NamedStates{"close", state_bit(State::closed)},
    NamedStates{"unconnected", state_bit(State::closed)},
    NamedStates{"unconn", state_bit(State::closed)},
    NamedStates{"close-wait", state_bit(State::close_wait)},
    NamedStates{"last-ack", state_bit(State::last_ack)},
    NamedStates{"listening", state_bit(State::listen)},
    NamedStates{"listen", state_bit(State::listen)},
    NamedStates{"closing", state_bit(State::closing)},
    NamedStates{"all", all_states},
    NamedStates{"connected", connected},
    NamedStates{"synchronized", connected & ~state_bit(State::syn_sent)},
    NamedStates{"bucket", bucket},
    NamedStates{"big", all_states & ~bucket},
};

// Lower case, `_` replaced by `-`: state names of the report's JSON are accepted too.
char plain(char letter) {
    if (letter == '_') return '-';
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// ss reads 10.0 as 10.0.0.0, and its manual has 193.233.7/24.
std::optional<std::array<std::uint8_t, 16>> parse_ipv4(std::string_view text) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t dot = text.find('.');
        const auto value = parse_number(text.substr(0, dot));
        if (!value || *value > 255) return std::nullopt;
        bytes[i] = static_cast<std::uint8_t>(*value);
        if (dot == std::string_view::npos) return bytes;
        text.remove_prefix(dot + 1);
    }
    return std::nullopt;
}

Prefix whole(const Address& address) {
    Prefix prefix{.family = address.family()};
    const auto bytes = address.bytes();
    std::copy(bytes.begin(), bytes.end(), prefix.bytes.begin());
    prefix.length = static_cast<std::uint8_t>(bytes.size() * 8);
    return prefix;
}

std::optional<Prefix> parse_address(std::string_view text) {
    if (text.find(':') == std::string_view::npos) {
        const auto bytes = parse_ipv4(text);
        if (!bytes) return std::nullopt;
        return Prefix{Family::ipv4, *bytes, 32};
    }
    const auto address = Address::parse(text);
    if (!address) return std::nullopt;
    Prefix prefix = whole(*address);
    if (prefix.family == Family::ipv6) return prefix;
    std::copy_backward(prefix.bytes.begin(), prefix.bytes.begin() + 4, prefix.bytes.end());
    std::fill(prefix.bytes.begin(), prefix.bytes.begin() + 10, std::uint8_t{0});
    prefix.bytes[10] = prefix.bytes[11] = 0xff;
    prefix.family = Family::ipv6;
    prefix.length = 128;
    return prefix;
}

// "24" or "255.255.255.0"
std::optional<std::uint32_t> parse_prefix_length(std::string_view text) {
    if (const auto length = parse_number(text)) return length;
    const auto bytes = parse_ipv4(text);
    if (!bytes) return std::nullopt;
    std::uint32_t mask = 0;
    for (std::size_t i = 0; i < 4; ++i) mask = mask << 8U | (*bytes)[i];
    std::uint32_t length = 0;
    for (; length < 32 && (mask & 0x80000000U) != 0; mask <<= 1U) ++length;
    return mask == 0 ? std::optional(length) : std::nullopt;
}

// An address, optionally with /LENGTH; not a name.
std::optional<Prefix> parse_prefix(std::string_view text) {
    if (text == "any" || text == "all" || text == "default") return Prefix{};
    const std::size_t slash = text.find('/');
    auto prefix = parse_address(text.substr(0, slash));
    if (!prefix || slash == std::string_view::npos) return prefix;
    const auto length = parse_prefix_length(text.substr(slash + 1));
    if (!length || *length > prefix->length) return std::nullopt;
    prefix->length = static_cast<std::uint8_t>(*length);
    return prefix;
}

bool fits(const Prefix& prefix, std::optional<bool> ipv6_socket) {
    if (!ipv6_socket || prefix.family == Family::none) return true;
    return *ipv6_socket == (prefix.family == Family::ipv6);
}

std::expected<void, std::string> add_host(std::string_view text, const FilterNames& names,
                                          HostValue& value) {
    if (text.empty()) return {};
    if (const auto prefix = parse_prefix(text)) {
        if (!fits(*prefix, value.ipv6_socket))
            return Failure("this address is not of the family before it");
        if (prefix->family != Family::none) value.any_of.push_back(*prefix);
        return {};
    }
    if (names.host && text.find_first_of(":/") == std::string_view::npos) {
        for (const Address& address : names.host(text)) {
            const Prefix prefix = whole(address);
            if (prefix.family != Family::none && fits(prefix, value.ipv6_socket))
                value.any_of.push_back(prefix);
        }
        if (!value.any_of.empty()) return {};
        return Failure("neither an address nor the name of a host that can be found");
    }
    return Failure("no address; write 10.0.0.1, 10.0.0.0/8:6379, [2001:db8::1]:6379, :6379 or *");
}

std::expected<void, std::string> add_port(std::string_view text, const FilterNames& names,
                                          HostValue& value) {
    if (text.empty() || text == "*") return {};
    if (const auto number = parse_number(text)) {
        if (*number > 65535) return Failure("a port is a number from 0 to 65535");
        value.port = static_cast<std::uint16_t>(*number);
        return {};
    }
    if (names.service) value.port = names.service(text);
    if (!value.port) return Failure("no port; write a number from 0 to 65535 or a service's name");
    return {};
}

std::expected<void, std::string> take_family(std::string_view& text, HostValue& value) {
    for (const std::string_view other : {"unix:", "link:", "netlink:", "vsock:"})
        if (text.starts_with(other))
            return Failure("only TCP sockets are shown here; the families are inet and inet6");
    for (const auto& [name, ipv6] : {std::pair{std::string_view("inet:"), false},
                                     std::pair{std::string_view("inet6:"), true}}) {
        if (!text.starts_with(name)) continue;
        value.ipv6_socket = ipv6;
        text.remove_prefix(name.size());
        break;
    }
    return {};
}

struct HostAndPort {
    std::string_view host;
    std::string_view port;
};

// Splits where ss does: at the last colon after the slash or, without a slash, at the last colon.
// For an IPv6 address without brackets this is a guess; if it fails, the whole text is used.
std::expected<HostAndPort, std::string> cut(std::string_view text, const FilterNames& names) {
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) return Failure("the bracket is not closed");
        const std::string_view rest = text.substr(bracket + 1);
        if (!rest.empty() && rest.front() != ':') return Failure("only :PORT stands behind ]");
        return HostAndPort{text.substr(1, bracket - 1), rest.empty() ? rest : rest.substr(1)};
    }
    if (text.starts_with('*')) {
        const std::string_view rest = text.substr(1);
        if (!rest.empty() && rest.front() != ':') return Failure("only :PORT stands behind *");
        return HostAndPort{{}, rest.empty() ? rest : rest.substr(1)};
    }
    const std::size_t slash = text.find('/');
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash))
        return HostAndPort{text, {}};
    const HostAndPort guess{text.substr(0, colon), text.substr(colon + 1)};
    if (guess.host.find(':') == std::string_view::npos) return guess;
    HostValue unused;
    if (!parse_prefix(guess.host) || !add_port(guess.port, names, unused))
        return HostAndPort{text, {}};
    return guess;
}

}  // namespace

std::expected<HostValue, std::string> parse_host(std::string_view text, const FilterNames& names) {
    HostValue value;
    if (auto family = take_family(text, value); !family) return Failure(family.error());
    const auto parts = cut(text, names);
    if (!parts) return Failure(parts.error());
    if (auto host = add_host(parts->host, names, value); !host) return Failure(host.error());
    if (auto port = add_port(parts->port, names, value); !port) return Failure(port.error());
    return value;
}

std::expected<HostValue, std::string> parse_port(std::string_view text, const FilterNames& names) {
    HostValue value;
    if (auto family = take_family(text, value); !family) return Failure(family.error());
    if (text.starts_with(':')) text.remove_prefix(1);
    if (auto port = add_port(text, names, value); !port) return Failure(port.error());
    return value;
}

std::uint32_t parse_states(std::string_view text) {
    const auto named =
        std::find_if(state_names.begin(), state_names.end(), [&](const NamedStates& candidate) {
            return std::equal(text.begin(), text.end(), candidate.name.begin(),
                              candidate.name.end(),
                              [](char one, char other) { return plain(one) == other; });
        });
    return named == state_names.end() ? 0 : named->states;
}

std::optional<TimerKind> parse_timer(std::string_view text) {
    if (text == "on") return TimerKind::retransmit;  // netstat's and ss's word
    if (text == "probe") return TimerKind::persist;  // netstat's
    for (const TimerKind kind : {TimerKind::off, TimerKind::retransmit, TimerKind::keepalive,
                                 TimerKind::timewait, TimerKind::persist, TimerKind::delack})
        if (text == to_string(kind)) return kind;
    return std::nullopt;
}

std::optional<Keepalive> parse_keepalive(std::string_view text) {
    for (const Keepalive keepalive :
         {Keepalive::on, Keepalive::off, Keepalive::masked, Keepalive::unknown})
        if (text == to_string(keepalive)) return keepalive;
    return std::nullopt;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text.front() == '0') {
        base = 8;
    }
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace connleak::filter

// The values in a filter expression: hosts, ports, states, numbers, durations. Errors say what is
// wrong with the value, for a person; the parser adds the position.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diagnosis/filter/filter.h"

namespace connleak::filter {

// [FAMILY:][ADDRESS][:PORT]
struct HostValue {
    std::optional<bool> ipv6_socket;  // FAMILY
    std::vector<Prefix> any_of;       // empty: any address
    std::optional<std::uint16_t> port;
};

std::expected<HostValue, std::string> parse_host(std::string_view text, const FilterNames& names);
// [FAMILY:][:]PORT
std::expected<HostValue, std::string> parse_port(std::string_view text, const FilterNames& names);

// A state or a group of states, by the names of ss or of the report; 0: neither.
std::uint32_t parse_states(std::string_view text);
std::optional<TimerKind> parse_timer(std::string_view text);
std::optional<Keepalive> parse_keepalive(std::string_view text);
// Like strtoul with base 0 (10, 0x0a, 012), as in ss.
std::optional<std::uint32_t> parse_number(std::string_view text);

}  // namespace connleak::filter

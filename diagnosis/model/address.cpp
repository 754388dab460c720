#include "diagnosis/model/address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace connleak {

namespace {

constexpr std::size_t group_count = 8;
using Groups = std::array<std::uint16_t, group_count>;

// A plain number: only digits, at most `digits` of them. `leading_zero`: whether "007" is allowed
// (not in IPv4, where some programs read it as octal, so that the text would be ambiguous).
std::optional<std::uint32_t> parse_number(std::string_view text, int base, std::size_t digits,
                                          bool leading_zero) {
    if (text.empty() || text.size() > digits) return std::nullopt;
    if (!leading_zero && text.size() > 1 && text.front() == '0') return std::nullopt;
    std::uint32_t value = 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [stopped, error] = std::from_chars(begin, end, value, base);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool last = i + 1 == bytes.size();
        const std::size_t end = last ? text.size() : text.find('.');
        if (end == std::string_view::npos) return std::nullopt;
        const auto value = parse_number(text.substr(0, end), 10, 3, false);
        if (!value || *value > 255) return std::nullopt;
        bytes[i] = static_cast<std::uint8_t>(*value);
        if (!last) text.remove_prefix(end + 1);
    }
    return bytes;
}

// The groups on one side of "::", or of the whole address if there is none. An IPv4 tail counts as
// two groups.
bool parse_groups(std::string_view text, bool may_end_in_ipv4, Groups& groups, std::size_t& count) {
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        const bool last = colon == std::string_view::npos;
        const std::string_view word = text.substr(0, colon);
        if (last && may_end_in_ipv4 && word.find('.') != std::string_view::npos) {
            const auto tail = parse_ipv4(word);
            if (!tail || count + 2 > group_count) return false;
            groups[count++] = static_cast<std::uint16_t>((*tail)[0] << 8U | (*tail)[1]);
            groups[count++] = static_cast<std::uint16_t>((*tail)[2] << 8U | (*tail)[3]);
            return true;
        }
        const auto value = parse_number(word, 16, 4, true);
        if (!value || count == group_count) return false;
        groups[count++] = static_cast<std::uint16_t>(*value);
        if (last) return true;
        text.remove_prefix(colon + 1);
        if (text.empty()) return false;  // a colon with nothing after it
    }
    return true;
}

std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view text) {
    Groups groups{};
    std::size_t count = 0;
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        if (!parse_groups(text, true, groups, count) || count != group_count) return std::nullopt;
    } else {
        Groups tail{};
        std::size_t tail_count = 0;
        if (!parse_groups(text.substr(0, gap), false, groups, count) ||
            !parse_groups(text.substr(gap + 2), true, tail, tail_count) ||
            count + tail_count >= group_count)
            return std::nullopt;
        std::copy_n(tail.begin(), tail_count,
                    groups.end() - static_cast<std::ptrdiff_t>(tail_count));
    }
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < group_count; ++i) {
        bytes[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8U);
        bytes[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xffU);
    }
    return bytes;
}

void append_number(std::string& text, unsigned value, int base) {
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    text.append(digits.data(), end);
}

struct Run {
    std::size_t begin = 0;
    std::size_t length = 0;
};

// RFC 5952 section 4.2: "::" replaces the longest run of zero groups, the first of equally long
// ones, and never a single group.
Run longest_zero_run(const Groups& groups) {
    Run best;
    Run run;
    for (std::size_t i = 0; i < group_count; ++i) {
        if (groups[i] != 0) {
            run.length = 0;
            continue;
        }
        if (run.length == 0) run.begin = i;
        ++run.length;
        if (run.length > best.length) best = run;
    }
    return best.length < 2 ? Run{group_count, 0} : best;
}

std::string ipv6_text(std::span<const std::uint8_t> bytes) {
    Groups groups{};
    for (std::size_t i = 0; i < group_count; ++i)
        groups[i] = static_cast<std::uint16_t>(bytes[2 * i] << 8U | bytes[2 * i + 1]);
    const Run zeros = longest_zero_run(groups);
    std::string text;
    for (std::size_t i = 0; i < group_count;) {
        if (i == zeros.begin) {
            text += "::";
            i += zeros.length;
            continue;
        }
        if (!text.empty() && text.back() != ':') text += ':';
        append_number(text, groups[i], 16);
        ++i;
    }
    return text;
}

// The finalizer of SplitMix64: every input bit affects every bit of the result. Sequential ports
// and neighbouring addresses need this for an even distribution over buckets.
constexpr std::uint64_t mix(std::uint64_t value) {
    value ^= value >> 30U;
    value *= 0xbf58476d1ce4e5b9U;
    value ^= value >> 27U;
    value *= 0x94d049bb133111ebU;
    return value ^ (value >> 31U);
}

std::uint64_t hash_address(const Address& address) {
    const auto bytes = address.bytes();
    std::array<std::uint64_t, 2> words{};
    if (!bytes.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
    return mix(words[0] + static_cast<std::uint64_t>(bytes.size())) ^
           mix(words[1] + 0x9e3779b97f4a7c15U);
}

std::uint64_t hash_endpoint(const Endpoint& endpoint) {
    return mix(hash_address(endpoint.address) + 0x9e3779b97f4a7c15U * (endpoint.port + 1ULL));
}

}  // namespace

Address Address::from_bytes(std::span<const std::uint8_t> bytes) {
    constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    Address address;
    if (bytes.size() == 16) {
        if (std::equal(mapped.begin(), mapped.end(), bytes.begin()))
            return from_bytes(bytes.subspan(mapped.size()));
        address.family_ = Family::ipv6;
    } else if (bytes.size() == 4) {
        address.family_ = Family::ipv4;
    } else {
        return address;
    }
    std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
    return address;
}

std::optional<Address> Address::parse(std::string_view text) {
    if (text.find(':') == std::string_view::npos) {
        const auto bytes = parse_ipv4(text);
        return bytes ? std::optional(from_bytes(*bytes)) : std::nullopt;
    }
    const auto bytes = parse_ipv6(text);
    return bytes ? std::optional(from_bytes(*bytes)) : std::nullopt;
}

std::span<const std::uint8_t> Address::bytes() const {
    switch (family_) {
        case Family::ipv4:
            return std::span(bytes_).first(4);
        case Family::ipv6:
            return bytes_;
        case Family::none:
            break;
    }
    return {};
}

std::string Address::text() const {
    if (family_ == Family::none) return {};
    if (family_ == Family::ipv6) return ipv6_text(bytes_);
    std::string text;
    for (std::size_t i = 0; i < 4; ++i) {
        if (i > 0) text += '.';
        append_number(text, bytes_[i], 10);
    }
    return text;
}

bool Address::is_loopback() const {
    if (family_ == Family::ipv4) return bytes_[0] == 127;
    if (family_ == Family::none) return false;
    return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1,
                                          [](std::uint8_t byte) { return byte == 0; });
}

bool Address::is_unspecified() const {
    return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool Address::is_link_local() const {
    return family_ == Family::ipv6 && bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

std::string Endpoint::text() const {
    std::string text = address.text();
    if (address.family() == Family::ipv6) text = '[' + text + ']';
    text += ':';
    append_number(text, port, 10);
    return text;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto port = parse_number(text.substr(colon + 1), 10, 5, false);
    if (!port || *port > 65535) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
        const std::size_t scope = host.find('%');
        if (scope != std::string_view::npos) host = host.substr(0, scope);
    }
    // Brackets are required for IPv6 addresses and allowed for no others: "::1:6379" would be
    // ambiguous.
    if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    const auto address = Address::parse(host);
    if (!address) return std::nullopt;
    return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

}  // namespace connleak

std::size_t std::hash<connleak::Address>::operator()(
    const connleak::Address& address) const noexcept {
    return connleak::hash_address(address);
}

std::size_t std::hash<connleak::Endpoint>::operator()(
    const connleak::Endpoint& endpoint) const noexcept {
    return connleak::hash_endpoint(endpoint);
}

std::size_t std::hash<connleak::Tuple>::operator()(const connleak::Tuple& tuple) const noexcept {
    // Not symmetric: a tuple and its mirror image are different sockets.
    return connleak::mix(connleak::hash_endpoint(tuple.local) * 3 +
                         connleak::hash_endpoint(tuple.remote));
}

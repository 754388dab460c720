// IP addresses and endpoints as values in one canonical form, so that the two ends of a connection
// compare equal whatever notation the kernel or a server used. A v4-mapped IPv6 address
// (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) becomes plain IPv4 on construction.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace connleak {

enum class Family : std::uint8_t { none, ipv4, ipv6 };

class Address {
  public:
    Address() = default;

    // `bytes` in network order: 4 bytes give IPv4, 16 give IPv6 (or IPv4 when v4-mapped), any other
    // number gives none.
    static Address from_bytes(std::span<const std::uint8_t> bytes);
    // Canonical or not, without brackets, port or scope. std::nullopt: not an address.
    static std::optional<Address> parse(std::string_view text);

    [[nodiscard]] Family family() const { return family_; }
    // Network order, 4 or 16 bytes (0 for none).
    [[nodiscard]] std::span<const std::uint8_t> bytes() const;
    // RFC 5952 for IPv6; "" for none.
    [[nodiscard]] std::string text() const;

    [[nodiscard]] bool is_loopback() const;     // 127.0.0.0/8, ::1
    [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0, ::, or none
    [[nodiscard]] bool is_link_local() const;   // fe80::/10, valid on one link only

    friend auto operator<=>(const Address&, const Address&) = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
    Family family_ = Family::none;
};

struct Endpoint {
    Address address;
    std::uint16_t port = 0;

    // "10.0.0.1:6379", "[2001:db8::1]:6379"
    [[nodiscard]] std::string text() const;
    // The form of text(). A v6 scope ("%eth0") is accepted and dropped. std::nullopt: not an
    // endpoint.
    static std::optional<Endpoint> parse(std::string_view text);

    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Both ends of one socket. `local` is the end on the socket's own host.
struct Tuple {
    Endpoint local;
    Endpoint remote;

    [[nodiscard]] Tuple mirrored() const { return {remote, local}; }
    friend auto operator<=>(const Tuple&, const Tuple&) = default;
};

}  // namespace connleak

template <>
struct std::hash<connleak::Address> {
    std::size_t operator()(const connleak::Address& address) const noexcept;
};
template <>
struct std::hash<connleak::Endpoint> {
    std::size_t operator()(const connleak::Endpoint& endpoint) const noexcept;
};
template <>
struct std::hash<connleak::Tuple> {
    std::size_t operator()(const connleak::Tuple& tuple) const noexcept;
};

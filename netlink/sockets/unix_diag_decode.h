// Decodes unix_diag replies. Separate from the transport.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "netlink/sockets/unix_diag.h"

namespace connleak::netlink {

// The payload of one SOCK_DIAG_BY_FAMILY message: struct unix_diag_msg and its attributes.
// std::nullopt when the bytes are not such a message.
std::optional<UnixSocket> decode_unix_socket(std::span<const std::uint8_t> payload, NetnsId netns);

}  // namespace connleak::netlink

// Bytes of sock_diag replies to records, apart from the transport, so that captured, cut off and
// hostile bytes reach it without a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "diagnosis/records.h"

namespace connleak::netlink {

// The payload of one SOCK_DIAG_BY_FAMILY message: struct inet_diag_msg and its attributes.
// std::nullopt when the bytes are no such message. `netns` is copied into the record.
std::optional<Socket> decode_socket(std::span<const std::uint8_t> payload, NetnsId netns);

}  // namespace connleak::netlink

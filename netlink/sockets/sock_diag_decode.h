// Decodes sock_diag replies. Separate from the transport, so that captured, truncated and hostile
// bytes can be tested without a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

// The payload of one SOCK_DIAG_BY_FAMILY message: struct inet_diag_msg and its attributes.
// std::nullopt when the bytes are not such a message. `netns` is copied into the record.
std::optional<Socket> decode_socket(std::span<const std::uint8_t> payload, NetnsId netns);

// The numbers of INET_DIAG_SKMEMINFO or UNIX_DIAG_MEMINFO, in the order of SK_MEMINFO_*.
// std::nullopt when there are fewer than any kernel sends.
std::optional<SocketMemory> decode_memory(std::span<const std::uint8_t> bytes);

}  // namespace connleak::netlink

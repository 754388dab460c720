// Decodes ctnetlink messages. Separate from the transport, so that captured, truncated and hostile
// bytes can be tested without a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

// The payload of one IPCTNL_MSG_CT_NEW message (the answer to IPCTNL_MSG_CT_GET): struct nfgenmsg
// and its attributes. std::nullopt when the bytes are not such a message, lack one of the two
// tuples, or have another protocol than TCP. `netns` is copied into the record.
std::optional<TrackedConnection> decode_tracked_connection(std::span<const std::uint8_t> payload,
                                                           NetnsId netns);

}  // namespace connleak::netlink

// Bytes of ctnetlink's messages to records, apart from the transport, so that captured, cut off and
// hostile bytes reach it without a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "diagnosis/model/records.h"

namespace connleak::netlink {

// The payload of one IPCTNL_MSG_CT_NEW message (the answer to IPCTNL_MSG_CT_GET): struct nfgenmsg
// and its attributes. std::nullopt when the bytes are no such message, lack one of the two tuples,
// or are of another protocol than TCP. `netns` is copied into the record.
std::optional<TrackedConnection> decode_tracked_connection(std::span<const std::uint8_t> payload,
                                                           NetnsId netns);

}  // namespace connleak::netlink

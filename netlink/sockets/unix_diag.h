// The kernel's Unix sockets through sock_diag(7): names, peers and queues, of every type and state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/sockets/sock_diag.h"

namespace connleak::netlink {

using connleak::UnixSocket;
using connleak::UnixType;

struct UnixDump {
    std::vector<UnixSocket> sockets;     // no duplicates
    std::optional<Error> error;          // set: `sockets` is incomplete
    std::optional<Error> pending_error;  // set: `pending` of some listener is not known
};

// Every Unix socket of a namespace. Needs no privileges.
UnixDump dump_unix_sockets(const Netns& netns, bool with_memory = false);

}  // namespace connleak::netlink

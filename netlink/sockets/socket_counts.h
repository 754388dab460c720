// How many TCP sockets a namespace has, without walking the table. A dump walks the whole host's
// table once per namespace and family, a few milliseconds each. On a host with hundreds of
// containers, walks that find nothing add up.
#pragma once

#include "system/descriptor.h"

namespace connleak::netlink {

class SocketCounts {
  public:
    // For the namespace of the calling thread. The open files keep describing it, whichever thread
    // reads them.
    static SocketCounts open_here();

    struct Occupied {
        bool ipv4 = true;
        bool ipv6 = true;
    };
    // False only if there is certainly no socket of the family, in any state.
    [[nodiscard]] Occupied read() const;

  private:
    Descriptor ipv4_;  // net/sockstat
    Descriptor ipv6_;  // net/sockstat6
};

}  // namespace connleak::netlink

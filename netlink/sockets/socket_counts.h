// How many TCP sockets a namespace has, without walking the table. A dump walks the whole host's
// table once per namespace and family, a few milliseconds each: a host with hundreds of containers
// pays for every walk that finds nothing.
#pragma once

#include "system/descriptor.h"

namespace connleak::netlink {

class SocketCounts {
  public:
    // In the namespace of the calling thread; the files keep telling of it, whichever thread reads
    // them.
    static SocketCounts open_here();

    struct Occupied {
        bool ipv4 = true;
        bool ipv6 = true;
    };
    // False only where there is certainly no socket of the family, in any state.
    [[nodiscard]] Occupied read() const;

  private:
    Descriptor ipv4_;  // net/sockstat
    Descriptor ipv6_;  // net/sockstat6
};

}  // namespace connleak::netlink

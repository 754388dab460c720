// Rows of a server's list that name the client's host in place of its address, as far as they could
// be put to no connection: any of them may be of a connection that the list seems to lack.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "diagnosis/model/records.h"

namespace connleak {

class NamedRows {
  public:
    // One without an address that is none of a Unix socket's; others are not taken.
    void add(const ServerClient& row) {
        if (row.address || row.host_name.empty()) return;
        if (row.host_port)
            ports_.insert(*row.host_port);
        else
            any_ = true;
    }
    [[nodiscard]] bool may_be(const Endpoint& client) const {
        return any_ || ports_.contains(client.port);
    }

  private:
    std::unordered_set<std::uint16_t> ports_;
    bool any_ = false;  // one that does not even tell the port
};

}  // namespace connleak

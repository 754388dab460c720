// Rows that name the client's host instead of its address and could not be matched to a connection.
// Any of them may belong to a connection that the list seems to lack.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "diagnosis/model/records.h"

namespace connleak {

class NamedRows {
  public:
    // Takes rows with a host name and no address; ignores all others.
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
    bool any_ = false;  // a row without a port was added
};

}  // namespace connleak

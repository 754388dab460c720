// Turns snapshots into the peer hosts of a sample: which snapshots count, how accurate their clocks
// are, and what can translate connections on the way from them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collect/host.h"
#include "collect/snapshot/parse.h"
#include "diagnosis/model/records.h"

namespace connleak::collect {

class PeerHostsBuilder {
  public:
    // The sample's sockets, rows and servers are complete.
    explicit PeerHostsBuilder(Sample& sample);

    // Whether a socket of another host can be the peer of a connection of the sample, or can hold
    // that connection under translated addresses.
    [[nodiscard]] bool wants(const Tuple& tuple) const;
    void add(ParsedSnapshot snapshot, const std::string& name);
    // Adds the snapshots that count to the sample.
    void finish();

  private:
    using Key =
        std::pair<std::string, NetnsId>;  // boot id, and the namespace's number on that host
    struct Candidate {
        Key key;
        PeerNamespace place;
        std::string source;
    };

    [[nodiscard]] Key key_of(const ParsedSnapshot& snapshot, NetnsId id) const;
    // Whether the machine was rebooted between the two snapshots.
    [[nodiscard]] bool succeeds(const Candidate& newer, const Candidate& older) const;

    Sample& sample_;
    HostFacts own_;
    std::int64_t now_ms_;
    std::int64_t boottime_ms_;
    bool synchronized_;
    std::unordered_set<Endpoint> clients_;  // of connections whose server is on this host
    std::unordered_set<Tuple> tuples_;      // of their peers' sockets
    std::unordered_set<Address> peers_;
    std::map<Key, std::int64_t> newest_;
    std::vector<PeerHost> hosts_;
    std::vector<Candidate> candidates_;
};

}  // namespace connleak::collect

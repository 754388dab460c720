// The path of packets from one namespace to an address, followed over the devices and namespaces in
// sight. A namespace that owns the peer's address is not proven to hold the peer unless packets to
// it end there: the same private address exists in many places.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "diagnosis/connections/witness.h"
#include "diagnosis/model/records.h"

namespace connleak {

struct Path {
    // A namespace that packets pass on layer 3, including the first and the last, and their
    // addresses after it has rewritten them. `local` is their source.
    struct Stop {
        NetnsId netns = 0;
        Tuple packets;
    };

    std::optional<NetnsId> end;  // the namespace where the packets end; absent: not proven
    // The worst of all namespaces and devices on the path, except rewrites known from connection
    // tracking.
    Translation translation = Translation::none;
    std::vector<Stop> visited;
    Tuple packets;                // on arrival, or when they leave sight
    bool translated = false;      // something on the way is known to rewrite them
    std::uint32_t interface = 0;  // the device of the first hop; 0: none needed
    // Where the path leaves what is in sight: a device behind which nothing in sight owns the next
    // hop.
    struct Exit {
        NetnsId netns = 0;
        std::uint32_t interface = 0;
        bool on_link = false;  // the destination itself is the next hop
    };
    std::optional<Exit> exit;
    std::string reason;  // why the end is not proven, or why it may be translated
};

class PathFinder {
  public:
    PathFinder(const Sample& sample, Witness& witness);

    // For any packets to the address; NAT rules on the path count as translation. The result is
    // cached per (from, to).
    const Path& find(NetnsId from, const Address& to);
    // For these packets (`local` is their source), which originate or arrive in `from`. Follows
    // every translator whose connection tracking has an entry for them.
    Path follow(NetnsId from, const Tuple& packets);

    // Whether the tracking tables, when they were read, had an entry that rewrites such packets.
    [[nodiscard]] bool rewritten(const Tuple& packets) const {
        return rewritten_.contains(packets);
    }
    // Whether anything in sight may translate.
    [[nodiscard]] bool translators() const { return translators_; }

    // The namespaces in sight that have this address on one of their devices.
    [[nodiscard]] const std::vector<NetnsId>& owners(const Address& address) const;
    [[nodiscard]] bool owns(NetnsId netns, const Address& address) const;
    [[nodiscard]] const Namespace* get(NetnsId netns) const;

  private:
    // A link-layer segment, identified by its bridge, by one end of its veth pair, or by its lower
    // device.
    using SegmentId = std::pair<NetnsId, std::uint32_t>;
    struct Segment {
        SegmentId id;
        bool closed = false;      // all of its ports end in namespaces in sight
        bool programmed = false;  // a packet program is attached to it
        bool filtered = false;    // bridge netfilter of the bridge's namespace applies
    };
    // One hop towards an address: the part that is the same for all packets.
    struct Leg {
        bool local = false;               // the packets end here
        const Namespace* next = nullptr;  // nullptr: not known
        bool programmed = false;
        const Namespace* filter = nullptr;  // its rules see them on a bridge in between
        std::uint32_t interface = 0;
        std::string device;
        std::optional<Path::Exit> exit;
        std::string reason;  // why `next` is not known
    };
    struct Attachment {
        const Namespace* netns;
        const Link* link;
    };

    [[nodiscard]] const Link* link(NetnsId netns, std::uint32_t index) const;
    [[nodiscard]] Segment segment_of(const Namespace& netns, const Link& link) const;
    [[nodiscard]] Segment bridge_segment(const Namespace& netns, const Link& bridge) const;
    [[nodiscard]] const Namespace* across(const Namespace& from, const Link& out,
                                          const Segment& segment, const Address& next_hop,
                                          bool& programmed, bool& leaves);
    const Leg& leg(const Namespace& here, const Address& to);
    Leg find_leg(const Namespace& here, const Address& to);
    void pass(const Namespace& place, bool follow, Path& path);
    void pass_bridge(const Namespace& place, bool follow, Path& path);
    Path walk(NetnsId from, const Tuple& packets, bool follow);

    Witness& witness_;
    bool translators_ = false;
    std::unordered_set<Tuple> rewritten_;
    std::map<NetnsId, const Namespace*> by_id_;
    std::map<Address, std::vector<NetnsId>> by_address_;
    std::map<SegmentId, std::vector<Attachment>> attached_;
    std::map<std::pair<NetnsId, Address>, Leg> legs_;
    std::map<std::pair<NetnsId, Address>, Path> found_;
};

}  // namespace connleak

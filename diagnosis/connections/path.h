// The way that packets take from one namespace to an address, followed over the devices and
// namespaces in sight. That a namespace owns an address proves nothing about a peer of that address
// unless packets to it really end there: the same private address exists in many places.
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
    // A namespace that packets pass on layer 3, first and last too, and what their addresses are
    // once it has rewritten them. `local` is their source.
    struct Stop {
        NetnsId netns = 0;
        Tuple packets;
    };

    std::optional<NetnsId> end;  // the namespace that packets end in; absent: not proven
    // The worst of all namespaces and devices on the way, without what connection tracking has
    // told.
    Translation translation = Translation::none;
    std::vector<Stop> visited;
    Tuple packets;                // as they arrive, or as they leave sight
    bool translated = false;      // something on the way is known to rewrite them
    std::uint32_t interface = 0;  // the device of the first hop; 0 when it needs none
    // Where it leaves what is in sight, when it does: by a device behind which nobody in sight has
    // the next address.
    struct Exit {
        NetnsId netns = 0;
        std::uint32_t interface = 0;
        bool on_link = false;  // the destination itself is the next address
    };
    std::optional<Exit> exit;
    std::string reason;  // why it is not proven or may be translated
};

class PathFinder {
  public:
    PathFinder(const Sample& sample, Witness& witness);

    // Of any packets to the address; NAT rules on the way count as translation. Remembered: one
    // question per pair.
    const Path& find(NetnsId from, const Address& to);
    // Of these packets (`local` is their source), which begin or arrive in `from`, through every
    // translator whose connection tracking has an entry for them.
    Path follow(NetnsId from, const Tuple& packets);

    // Whether an entry that rewrites such packets was there when the tables were read.
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
    // A link-layer segment, named by its bridge, by one end of its cable, or by its lower device.
    using SegmentId = std::pair<NetnsId, std::uint32_t>;
    struct Segment {
        SegmentId id;
        bool closed = false;      // all of its ports end in namespaces in sight
        bool programmed = false;  // a packet program sits on it
        bool filtered = false;    // bridge netfilter of the namespace that the bridge is in
    };
    // One hop towards an address: what does not depend on whose packets they are.
    struct Leg {
        bool local = false;               // they end here
        const Namespace* next = nullptr;  // nullptr: not known
        bool programmed = false;
        const Namespace* filter = nullptr;  // whose rules see them on a bridge between the two
        std::uint32_t interface = 0;
        std::string device;
        std::optional<Path::Exit> exit;
        std::string reason;  // why there is no next
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

// The way that packets take from one namespace to an address, followed over the devices and
// namespaces in sight. That a namespace owns an address proves nothing about a peer of that address
// unless packets to it really end there: the same private address exists in many places.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "diagnosis/records.h"
#include "diagnosis/witness.h"

namespace connleak {

struct Path {
    std::optional<NetnsId> end;  // the namespace that packets end in; absent: not proven
    Translation translation =
        Translation::none;         // the worst of all namespaces and devices on the way
    std::vector<NetnsId> visited;  // those that packets pass on layer 3, first and last too
    std::uint32_t interface = 0;   // the device of the first hop; 0 when it needs none
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
    PathFinder(const std::vector<Namespace>& namespaces, Witness& witness);

    // Remembered: one question per pair.
    const Path& find(NetnsId from, const Address& to);

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
        bool programmed = false;  // a packet program or bridge netfilter sits on it
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
    Path walk(NetnsId from, const Address& to);

    Witness& witness_;
    std::map<NetnsId, const Namespace*> by_id_;
    std::map<Address, std::vector<NetnsId>> by_address_;
    std::map<SegmentId, std::vector<Attachment>> attached_;
    std::map<std::pair<NetnsId, Address>, Path> found_;
};

}  // namespace connleak

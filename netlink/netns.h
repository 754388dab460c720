// Network namespaces: which there are, and how to do something inside one. A socket belongs to the
// namespace in which it was opened, so a thread of its own enters, opens what it needs and ends;
// the process itself never changes its namespace.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::netlink {

// A handle that keeps a network namespace alive and can be entered. Move-only; owns its descriptor.
class Netns {
  public:
    Netns(Descriptor descriptor, NetnsId id, std::string name, bool own);

    [[nodiscard]] NetnsId id() const { return id_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool own() const { return own_; }
    // What a person calls it in a message: "netns web1", "netns 4026532301".
    [[nodiscard]] std::string label() const;
    // For RTM_GETNSID, which names a namespace by a descriptor of it; it stays this object's own.
    [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }

    // Runs `work` inside the namespace (in a thread that has entered it, setns(2)) and waits for
    // its end. Returns 0, or the errno with which entering failed; then `work` did not run.
    // Exceptions of `work` come out of run(). Needs CAP_SYS_ADMIN unless the namespace is our own.
    [[nodiscard]] int run(const std::function<void()>& work) const;

  private:
    Descriptor descriptor_;
    NetnsId id_;
    std::string name_;
    bool own_;
};

struct NetnsSearch {
    std::vector<Netns> found;  // ours first
    std::vector<Gap> gaps;  // source "netns"; the processes whose namespace is hidden are one gap
};

// Every namespace in sight: /proc/*/ns/net and the files below /run/netns and /run/docker/netns,
// each once by (st_dev, st_ino). Those that cannot be entered are left out and are a gap.
NetnsSearch find_all_netns();
NetnsSearch find_own_netns();
// `which` is a name below /run/netns (or a path to a namespace file), or a pid. Nothing found: an
// empty result with one gap that says why.
NetnsSearch find_netns(const std::string& which);

}  // namespace connleak::netlink

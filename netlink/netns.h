// Network namespaces: finding them, and running code inside one. A socket belongs to the namespace
// in which it was opened. So a separate thread enters the namespace, opens what it needs and ends;
// the process itself never changes its namespace.
//
// An open descriptor keeps a namespace alive after its container has ended, and with it the
// container's addresses, so that a successor could not use them. Descriptors are therefore released
// after the first reading and reopened briefly for each later query.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::netlink {

// A network namespace that can be entered. Move-only; owns its descriptor until release().
class Netns {
  public:
    // `paths` lead to it (proc_pid_ns(5), or a file that it is mounted on); used to reopen it.
    Netns(Descriptor descriptor, NetnsId id, std::string name, std::vector<std::string> paths);
    // The namespace that connleak itself runs in: already entered, and alive as long as the
    // process.
    Netns(Descriptor descriptor, NetnsId id);

    [[nodiscard]] NetnsId id() const { return id_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool own() const { return own_; }
    // Its name in messages: "netns web1", "netns 4026532301".
    [[nodiscard]] std::string label() const;
    // For RTM_GETNSID, which identifies a namespace by a descriptor. This object keeps ownership.
    // No descriptor after release().
    [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }

    // Adds another path that leads to it. Only the first few are kept; one is not enough, because a
    // process can end.
    void add_path(std::string path);
    // Enters it once, runs `work`, and stores its cookie for run(). Returns the same values as
    // run().
    [[nodiscard]] int identify(const std::function<void()>& work);
    // Closes the descriptor: from then on the namespace ends with its last process or file.
    void release() { descriptor_ = Descriptor(); }

    // Runs `work` inside the namespace (in a thread that has entered it, setns(2)) and waits for
    // it. Returns 0, or the errno with which entering failed, without running `work`: ENOENT when
    // the namespace no longer exists, ESTALE when another namespace now has its number. Exceptions
    // thrown by `work` propagate. Needs CAP_SYS_ADMIN unless the namespace is our own.
    [[nodiscard]] int run(const std::function<void()>& work) const;

  private:
    [[nodiscard]] std::expected<Descriptor, int> open_again() const;

    Descriptor descriptor_;
    NetnsId id_;
    std::string name_;
    std::vector<std::string> paths_;
    bool own_ = false;
    // SO_NETNS_COOKIE (Linux 5.14). A new namespace can reuse the inode number `id_` once this one
    // has ended, but never the cookie. 0: not known.
    std::uint64_t cookie_ = 0;
};

struct NetnsSearch {
    std::vector<Netns> found;  // our own first
    std::vector<Gap> gaps;  // source "netns"; one gap for all processes whose namespace is hidden
};

// All namespaces in sight: /proc/*/ns/net and the files below /run/netns and /run/docker/netns,
// without duplicates (by st_dev, st_ino). Namespaces that cannot be entered are omitted and
// reported as a gap.
NetnsSearch find_all_netns();
NetnsSearch find_own_netns();
// `which` is a name below /run/netns (or a path to a namespace file), or a pid. If nothing is
// found, the result is empty and has one gap that says why.
NetnsSearch find_netns(const std::string& which);

}  // namespace connleak::netlink

// Network namespaces: which there are, and how to do something inside one. A socket belongs to the
// namespace in which it was opened, so a thread of its own enters, opens what it needs and ends;
// the process itself never changes its namespace.
//
// An open descriptor keeps a namespace alive after its container has ended, and with it the
// container's addresses: its successor could not take them. So descriptors are released as soon as
// the first reading is done, and opened again for the moment of each later question.
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
    // `paths` lead to it (proc_pid_ns(5), or a file that it is mounted on), to be opened again by.
    Netns(Descriptor descriptor, NetnsId id, std::string name, std::vector<std::string> paths);
    // The namespace that connleak itself runs in: it is entered already, and lives as long.
    Netns(Descriptor descriptor, NetnsId id);

    [[nodiscard]] NetnsId id() const { return id_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool own() const { return own_; }
    // What a person calls it in a message: "netns web1", "netns 4026532301".
    [[nodiscard]] std::string label() const;
    // For RTM_GETNSID, which names a namespace by a descriptor of it; it stays this object's own.
    // None after release().
    [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }

    // Another path that leads to it. Only the first few are kept: a process can end, so one is not
    // enough.
    void add_path(std::string path);
    // Enters it once, with `work`, and remembers its cookie for run(). Returns as run() does.
    [[nodiscard]] int identify(const std::function<void()>& work);
    // Closes the descriptor: from now on the namespace ends when its last process or file goes.
    void release() { descriptor_ = Descriptor(); }

    // Runs `work` inside the namespace (in a thread that has entered it, setns(2)) and waits for
    // its end. Returns 0, or the errno with which entering failed; then `work` did not run: ENOENT
    // when the namespace has ended since it was found, ESTALE when another one has its number now.
    // Exceptions of `work` come out of run(). Needs CAP_SYS_ADMIN unless the namespace is our own.
    [[nodiscard]] int run(const std::function<void()>& work) const;

  private:
    [[nodiscard]] std::expected<Descriptor, int> open_again() const;

    Descriptor descriptor_;
    NetnsId id_;
    std::string name_;
    std::vector<std::string> paths_;
    bool own_ = false;
    // SO_NETNS_COOKIE (Linux 5.14): the inode number that `id_` is may belong to a new namespace as
    // soon as this one has ended, the cookie never does. 0: not known.
    std::uint64_t cookie_ = 0;
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

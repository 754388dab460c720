// The network namespaces that one run reads, and the tables of the kernel in each. A table is
// opened when it is first asked for, and closed by release(): a descriptor of a namespace, as a
// socket in it, keeps the namespace and its addresses from a container that is restarted meanwhile.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/network/conntrack.h"
#include "netlink/sockets/sock_diag.h"

namespace connleak::collect {

// What a stage has read, and what it could not read.
template <typename Value>
struct Read {
    Value value;
    std::vector<Gap> gaps;
};

// Those that --netns names: "all", "self", a name, a path or a pid.
netlink::NetnsSearch find_namespaces(const std::string& which);

class Namespaces {
  public:
    explicit Namespaces(std::vector<netlink::Netns> found) : found_(std::move(found)) {}

    [[nodiscard]] const std::vector<netlink::Netns>& all() const { return found_; }
    [[nodiscard]] const netlink::Netns* find(NetnsId id) const;
    // Where connections to servers out of sight are made from: our own namespace, or the one that
    // --netns chose. Only called when there is a namespace.
    [[nodiscard]] const netlink::Netns& home() const { return found_.front(); }

    // Addresses, devices and translation of each; whether its socket table can be opened.
    Read<std::vector<Namespace>> read_networks();
    // TCP sockets of all of them; what a dump lacks is a gap.
    Read<std::vector<Socket>> read_sockets(const netlink::SocketQuery& query);

    // nullptr when it cannot be opened. Valid until release().
    [[nodiscard]] netlink::SocketTable* sockets_of(NetnsId id);
    [[nodiscard]] netlink::TrackingTable* tracking_of(NetnsId id);

    // To be called before anything is waited for. What is asked afterwards opens again what it
    // needs; a namespace that has ended by then cannot be asked any more.
    void release();

    // How many sockets were read so far, over all dumps.
    [[nodiscard]] std::uint64_t sockets_read() const { return sockets_read_; }
    void count_read(std::size_t sockets) { sockets_read_ += sockets; }

  private:
    // The errno where it cannot be opened.
    std::expected<netlink::SocketTable*, int> open_sockets(const netlink::Netns& netns);

    std::vector<netlink::Netns> found_;
    std::map<NetnsId, netlink::SocketTable> socket_tables_;
    std::map<NetnsId, std::optional<netlink::TrackingTable>> tracking_tables_;
    std::uint64_t sockets_read_ = 0;
};

// The record of a namespace by its number; nullptr when there is none.
const Namespace* find_network(const std::vector<Namespace>& networks, NetnsId id);

}  // namespace connleak::collect

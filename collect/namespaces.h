// The network namespaces that one run reads, and the kernel's tables in each. A table is opened on
// first use and closed by release(): an open descriptor of a namespace, or a socket in it, keeps
// the namespace and its addresses alive, so a container that is restarted meanwhile cannot use
// them.
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

// What a stage has read, and the gaps.
template <typename Value>
struct Read {
    Value value;
    std::vector<Gap> gaps;
};

// The namespaces that --netns names: "all", "self", a name, a path or a pid.
netlink::NetnsSearch find_namespaces(const std::string& which);

class Namespaces {
  public:
    explicit Namespaces(std::vector<netlink::Netns> found) : found_(std::move(found)) {}

    [[nodiscard]] const std::vector<netlink::Netns>& all() const { return found_; }
    [[nodiscard]] const netlink::Netns* find(NetnsId id) const;
    // The namespace from which connections to servers out of sight are made: our own, or the one
    // that --netns chose. Call it only if there is at least one namespace.
    [[nodiscard]] const netlink::Netns& home() const { return found_.front(); }

    // Addresses, devices and translation of each namespace, and whether its socket table can be
    // opened.
    Read<std::vector<Namespace>> read_networks();
    // TCP sockets of all namespaces; incomplete dumps are gaps.
    Read<std::vector<Socket>> read_sockets(const netlink::SocketQuery& query);

    // nullptr if the table cannot be opened. Valid until release().
    [[nodiscard]] netlink::SocketTable* sockets_of(NetnsId id);
    [[nodiscard]] netlink::TrackingTable* tracking_of(NetnsId id);

    // Closes the tables; call it before waiting for anything. Later queries open the tables that
    // they need again; a namespace that has ended by then cannot be queried any more.
    void release();

    // The number of sockets read so far, in all dumps.
    [[nodiscard]] std::uint64_t sockets_read() const { return sockets_read_; }
    void count_read(std::size_t sockets) { sockets_read_ += sockets; }

  private:
    // The error is an errno.
    std::expected<netlink::SocketTable*, int> open_sockets(const netlink::Netns& netns);

    std::vector<netlink::Netns> found_;
    std::map<NetnsId, netlink::SocketTable> socket_tables_;
    std::map<NetnsId, std::optional<netlink::TrackingTable>> tracking_tables_;
    std::uint64_t sockets_read_ = 0;
};

// The record with this number; nullptr if there is none.
const Namespace* find_network(const std::vector<Namespace>& networks, NetnsId id);

}  // namespace connleak::collect

// What one run holds open while it reads: namespaces, socket tables, conversations with servers.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collect/request.h"
#include "diagnosis/model/records.h"
#include "netlink/netns.h"
#include "netlink/network/conntrack.h"
#include "netlink/sockets/sock_diag.h"
#include "probes/conversation.h"

namespace connleak::collect {

// Those that --netns names.
netlink::NetnsSearch find_namespaces(const std::string& which);

class Session {
  public:
    // The namespaces that --netns names, with their network and one socket table each. What cannot
    // be entered or read becomes a gap of sample().
    explicit Session(const Request& request);

    [[nodiscard]] const Request& request() const { return request_; }
    [[nodiscard]] Sample& sample() { return sample_; }
    [[nodiscard]] const Sample& sample() const { return sample_; }
    [[nodiscard]] const std::vector<netlink::Netns>& namespaces() const { return namespaces_; }
    [[nodiscard]] const netlink::Netns* netns(NetnsId id) const;
    [[nodiscard]] const Namespace* network(NetnsId id) const;
    // Where connections to servers out of sight are made from: our own namespace, or the one that
    // --netns chose. Only called when there is a namespace.
    [[nodiscard]] const netlink::Netns& home() const { return namespaces_.front(); }

    // nullptr when the table could not be opened, which is a gap already.
    [[nodiscard]] netlink::SocketTable* table(NetnsId id);
    // nullptr when it could not be opened. Opened when it is first asked for.
    [[nodiscard]] netlink::TrackingTable* tracking(NetnsId id);
    // Sockets of every namespace; what a dump lacks is a gap.
    std::vector<Socket> dump(const netlink::SocketQuery& query);

    // By index of sample().servers; nullptr for a server that was not asked.
    std::vector<std::unique_ptr<probes::Conversation>> conversations;
    std::shared_ptr<const probes::TlsContext> tls;  // nullptr where nobody is asked by TLS
    double redis_ms = 0;
    std::uint64_t sockets_read = 0;

  private:
    const Request& request_;
    Sample sample_;
    std::vector<netlink::Netns> namespaces_;
    std::map<NetnsId, netlink::SocketTable> tables_;
    std::map<NetnsId, std::optional<netlink::TrackingTable>> trackings_;
};

}  // namespace connleak::collect

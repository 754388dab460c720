// The recheck, answered by the kernel and by the servers.
#pragma once

#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/namespaces.h"
#include "diagnosis/connections/named_rows.h"
#include "diagnosis/connections/witness.h"

namespace connleak::collect {

class KernelWitness : public Witness {
  public:
    // All three must outlive the witness. `networks`: the namespaces to ask. `servers`: asked again
    // by their index.
    KernelWitness(Namespaces& namespaces, const std::vector<Namespace>& networks,
                  std::span<const Server> servers)
        : namespaces_(namespaces), networks_(networks), servers_(servers) {}

    void settle() override;
    Look look(NetnsId netns, const Tuple& tuple) override;
    Tracking tracked(NetnsId netns, const Tuple& packets) override;
    std::optional<std::vector<Endpoint>> peers_of_local_end(NetnsId netns,
                                                            const Endpoint& local) override;
    std::optional<bool> listed(std::size_t server, const Endpoint& client) override;
    std::optional<std::vector<UnixSocket>> unix_sockets_again() override;
    std::optional<std::vector<ServerClient>> clients_again(std::size_t server) override;
    bool same_server_again(std::size_t server) override;
    std::optional<Hop> route(NetnsId netns, const Address& destination) override;
    std::optional<std::vector<std::uint8_t>> neighbour(NetnsId netns, std::uint32_t interface,
                                                       const Address& address) override;
    std::int64_t now_ms() override;

  private:
    [[nodiscard]] probes::Conversation* conversation(std::size_t server) const;

    Namespaces& namespaces_;
    const std::vector<Namespace>& networks_;
    std::span<const Server> servers_;
    std::map<NetnsId, std::optional<std::unordered_map<Endpoint, std::vector<Endpoint>>>>
        local_ends_;
    struct Listed {
        std::unordered_set<Endpoint> clients;
        NamedRows named;
    };
    std::map<std::size_t, std::optional<Listed>> lists_;
    std::map<std::size_t, bool> same_;
};

}  // namespace connleak::collect

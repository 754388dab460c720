// Carries out a plan of `reap`.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "collect/run.h"
#include "diagnosis/actions/plan.h"
#include "netlink/sockets/sock_destroy.h"

namespace connleak::actions {

class Reaper {
  public:
    // `seen_at`: when the report was finished. With MethodChoice::automatic, connections that the
    // server does not kill are destroyed where possible.
    Reaper(collect::Run& run, MethodChoice choice, std::chrono::steady_clock::time_point seen_at)
        : run_(run), choice_(choice), seen_at_(seen_at) {}

    // Rechecks each connection and acts, in batches, so that little time passes in between; then
    // waits until the closed connections are gone. Afterwards every planned action has an outcome.
    void run(Plan& plan);

  private:
    using Actions = std::vector<Action*>;

    void batch(std::span<Action> actions);
    // For the rows to be killed: checks that the server still has the same client.
    void look_at_rows(const Actions& actions);
    void look_again(const Actions& actions);
    void kill(const Actions& actions);
    void not_killed(Action& action, const std::string& why);
    void destroy(Action& action, const std::string& before = "");
    void await_ends();
    [[nodiscard]] std::set<const Action*> still_listed() const;
    [[nodiscard]] probes::Conversation* conversation(const Action& action) const;

    collect::Run& run_;
    MethodChoice choice_;
    std::chrono::steady_clock::time_point seen_at_;
    std::set<std::size_t> kill_refused_;  // indices of servers
    std::map<NetnsId, std::expected<netlink::SocketDestroyer, netlink::Error>> destroyers_;
    Actions closed_;
};

}  // namespace connleak::actions

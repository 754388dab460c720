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
    // `seen_at`: when the report was finished. With MethodChoice::automatic what the server does
    // not kill is destroyed, where that can be done.
    Reaper(collect::Run& run, MethodChoice choice, std::chrono::steady_clock::time_point seen_at)
        : run_(run), choice_(choice), seen_at_(seen_at) {}

    // Looks at each again and acts, in batches, so that little time lies between; then waits until
    // what was closed is gone. Every planned action has an outcome afterwards.
    void run(Plan& plan);

  private:
    using Actions = std::vector<Action*>;

    void batch(std::span<Action> actions);
    // Of those to be killed: the server still has this very client.
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
    std::set<std::size_t> kill_refused_;  // servers
    std::map<NetnsId, std::expected<netlink::SocketDestroyer, netlink::Error>> destroyers_;
    Actions closed_;
};

}  // namespace connleak::actions

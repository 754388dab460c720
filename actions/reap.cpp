#include "actions/reap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <unordered_set>

#include "collect/kernel_witness.h"
#include "collect/stop_signals.h"
#include "diagnosis/actions/recheck.h"
#include "probes/conversation.h"
#include "system/errno_name.h"

namespace connleak::actions {

namespace {

// Small enough that little can change between recheck and action, large enough that ten thousand
// connections take seconds: each recheck reads the tables of the peers' namespaces once.
constexpr std::size_t smallest_batch = 100;
constexpr std::size_t largest_batch = 500;
// The server closes at the end of its event loop iteration, the kernel at once.
constexpr std::chrono::milliseconds timeout{3000};
constexpr std::chrono::milliseconds pause{5};

constexpr const char* silent = "the server does not answer any more";

// Asks the kernel anew every time, and knows the rows that the server has just reported.
class FreshWitness : public collect::KernelWitness {
  public:
    FreshWitness(collect::Run& run, const std::unordered_set<Endpoint>& clients)
        : collect::KernelWitness(run.namespaces(), run.sample().namespaces, run.sample().servers),
          clients_(clients) {}

    void settle() override {}  // the report's own recheck has already waited
    std::optional<bool> listed(std::size_t, const Endpoint& client) override {
        return clients_.contains(client);
    }

  private:
    const std::unordered_set<Endpoint>& clients_;
};

bool open(const Action* action) {
    return !action->outcome;
}

std::vector<std::uint64_t> ids_of(const std::vector<Action*>& actions) {
    std::vector<std::uint64_t> ids;
    ids.reserve(actions.size());
    for (const Action* action : actions) ids.push_back(action->connection->row->id);
    return ids;
}

template <typename Holds>
std::vector<Action*> those(const std::vector<Action*>& actions, Holds holds) {
    std::vector<Action*> chosen;
    std::ranges::copy_if(actions, std::back_inserter(chosen), holds);
    return chosen;
}

}  // namespace

probes::Conversation* Reaper::conversation(const Action& action) const {
    return run_.sample().servers[action.connection->server].conversation.get();
}

void Reaper::run(Plan& plan) {
    const std::size_t size = std::clamp(plan.actions.size() / 20, smallest_batch, largest_batch);
    for (std::size_t begin = 0; begin < plan.actions.size() && !collect::StopSignals::asked();) {
        const std::size_t server = plan.actions[begin].connection->server;
        std::size_t end = begin;
        while (end < plan.actions.size() && end - begin < size &&
               plan.actions[end].connection->server == server)
            ++end;
        batch(std::span(plan.actions).subspan(begin, end - begin));
        begin = end;
    }
    await_ends();
    for (Action& action : plan.actions)
        if (action.planned && !action.outcome) action.end(Outcome::skipped, "interrupted");
}

void Reaper::batch(std::span<Action> actions) {
    Actions planned;
    for (Action& action : actions) {
        if (!action.planned) continue;
        if (action.method == Method::kill && kill_refused_.contains(action.connection->server) &&
            choice_ == MethodChoice::automatic && action.connection->server_socket != nullptr)
            action.method = Method::destroy;
        planned.push_back(&action);
    }
    const auto kills = [](const Action* action) {
        return open(action) && action->method == Method::kill;
    };
    look_at_rows(those(planned, kills));
    look_again(those(planned, open));
    const Actions to_destroy = those(planned, [&](const Action* action) {
        return open(action) && action->method == Method::destroy;
    });
    kill(those(planned, kills));
    for (Action* action : to_destroy) {
        if (collect::StopSignals::asked()) return;
        destroy(*action);
    }
}

void Reaper::look_at_rows(const Actions& actions) {
    if (actions.empty()) return;
    const auto ids = ids_of(actions);
    probes::Conversation* server = conversation(*actions.front());
    const auto rows = server != nullptr ? server->clients_by_id(ids) : std::nullopt;
    for (Action* action : actions) {
        const ServerClient& then = *action->connection->row;
        if (!rows) {
            // The method that needs no server is rechecked like any other.
            if (choice_ == MethodChoice::automatic && action->connection->server_socket != nullptr)
                action->method = Method::destroy;
            else
                action->end(Outcome::failed, silent);
            continue;
        }
        const auto now = std::ranges::find(*rows, then.id, &ServerClient::id);
        if (now == rows->end())
            action->end(Outcome::skipped, std::string(describe(Change::gone)));
        else if (now->address != then.address || now->host_name != then.host_name ||
                 now->host_port != then.host_port)
            action->end(Outcome::skipped, std::string(describe(Change::replaced)));
    }
}

void Reaper::look_again(const Actions& actions) {
    std::unordered_set<Endpoint> clients;
    std::vector<const Connection*> ghosts;
    for (const Action* action : actions) {
        ghosts.push_back(action->connection);
        if (action->method == Method::kill && action->connection->row->address)
            clients.insert(*action->connection->row->address);
    }
    FreshWitness witness(run_, clients);
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - seen_at_);
    const auto changes = recheck(run_.sample(), ghosts, witness, elapsed.count());
    for (std::size_t at = 0; at < actions.size(); ++at) {
        if (changes[at] == Change::none) continue;
        actions[at]->end(changes[at] == Change::unknown ? Outcome::failed : Outcome::skipped,
                         std::string(describe(changes[at])));
    }
}

void Reaper::kill(const Actions& actions) {
    if (actions.empty() || collect::StopSignals::asked()) return;
    const auto answers = conversation(*actions.front())->kill_clients(ids_of(actions));
    for (std::size_t at = 0; at < actions.size(); ++at) {
        Action& action = *actions[at];
        if (at >= answers.size())
            not_killed(action, silent);
        else if (answers[at].killed)
            closed_.push_back(&action);
        else if (answers[at].refusal.empty())
            action.end(Outcome::skipped, std::string(describe(Change::gone)));
        else
            not_killed(action, answers[at].refusal);
    }
}

void Reaper::not_killed(Action& action, const std::string& why) {
    kill_refused_.insert(action.connection->server);
    if (choice_ != MethodChoice::automatic || action.connection->server_socket == nullptr)
        return action.end(Outcome::failed, why);
    action.method = Method::destroy;
    destroy(action, why + "; ");
}

void Reaper::destroy(Action& action, const std::string& before) {
    const Socket& socket = *action.connection->server_socket;
    const netlink::Netns* place = run_.namespaces().find(socket.netns);
    if (place == nullptr)
        return action.end(Outcome::failed, before + "its network namespace cannot be entered");
    const auto destroyer =
        destroyers_.contains(socket.netns)
            ? destroyers_.find(socket.netns)
            : destroyers_.emplace(socket.netns, netlink::SocketDestroyer::open(*place)).first;
    const int failure =
        destroyer->second ? destroyer->second->destroy(socket) : destroyer->second.error().code;
    switch (failure) {
        case 0:
            closed_.push_back(&action);
            return;
        case ENOENT:
            return action.end(Outcome::skipped, std::string(describe(Change::gone)));
        case EPERM:
            return action.end(Outcome::failed,
                              before + "EPERM: closing sockets of a process takes CAP_NET_ADMIN");
        case EOPNOTSUPP:
            return action.end(
                Outcome::failed,
                before + "EOPNOTSUPP: this kernel was built without CONFIG_INET_DIAG_DESTROY");
        default:
            return action.end(Outcome::failed, before + errno_name(failure));
    }
}

// The closed connections without a socket in sight that the server still lists.
std::set<const Action*> Reaper::still_listed() const {
    std::map<std::size_t, Actions> by_server;
    for (Action* action : closed_)
        if (action->connection->server_socket == nullptr)
            by_server[action->connection->server].push_back(action);
    std::set<const Action*> listed;
    for (const auto& [server, actions] : by_server) {
        const auto rows = conversation(*actions.front())->clients_by_id(ids_of(actions));
        for (const Action* action : actions)
            if (!rows || std::ranges::find(*rows, action->connection->row->id, &ServerClient::id) !=
                             rows->end())
                listed.insert(action);
    }
    return listed;
}

// A connection is closed when the kernel no longer reports it as established. Data still queued for
// a vanished peer is sent without a process (FIN-WAIT-1).
void Reaper::await_ends() {
    collect::KernelWitness kernel = run_.witness();
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        const auto listed = still_listed();
        std::erase_if(closed_, [&](Action* action) {
            const Socket* socket = action->connection->server_socket;
            if (socket == nullptr) {
                if (listed.contains(action)) return false;
            } else {
                const Witness::Look look = kernel.look(socket->netns, socket->tuple);
                if (!look.known) return false;
                if (look.socket && look.socket->cookie == socket->cookie &&
                    look.socket->state == State::established)
                    return false;
            }
            action->end(Outcome::done);
            return true;
        });
        if (closed_.empty() || std::chrono::steady_clock::now() >= deadline) break;
        std::this_thread::sleep_for(pause);
    }
    for (Action* action : closed_)
        action->end(Outcome::failed, "it was closed, and the kernel still has it");
    closed_.clear();
}

}  // namespace connleak::actions

#include "diagnosis/actions/plan.h"

#include <algorithm>
#include <tuple>

#include "diagnosis/actions/recheck.h"
#include "diagnosis/model/server_family.h"

namespace connleak {

namespace {

// A server that answered in time, reports its clients again and accepts commands.
bool talks(const Server& server) {
    return server.answer.asked && server.answer.reachable && server.answer.clients_complete;
}

Action reap_action(const Server& server, const Connection& connection, MethodChoice choice) {
    const ServerClient* row = connection.row;
    const bool kill = talks(server) && row != nullptr && row->id != 0;
    const bool destroy =
        connection.server_socket != nullptr && !from_snapshot(*connection.server_socket);
    Action action;
    action.connection = &connection;
    action.method = choice == MethodChoice::destroy || (choice == MethodChoice::automatic && !kill)
                        ? Method::destroy
                        : Method::kill;
    if (action.method == Method::kill && !kill) {
        action.reason = talks(server) ? "the server gives its clients no ids (before 2.8.12)"
                                      : "the server does not tell its clients";
    } else if (action.method == Method::destroy && !destroy) {
        action.reason = "the server's socket is not in sight of this host";
    }
    action.planned = action.reason.empty();
    return action;
}

}  // namespace

std::string_view to_string(Method method) {
    switch (method) {
        case Method::kill:
            return "kill";
        case Method::destroy:
            return "destroy";
        case Method::keepalive:
            return "keepalive";
    }
    return "kill";
}

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::done:
            return "done";
        case Outcome::skipped:
            return "skipped";
        case Outcome::failed:
            return "failed";
    }
    return "failed";
}

Totals Plan::totals() const {
    Totals totals;
    for (const Action& action : actions) {
        if (action.planned) ++totals.planned;
        if (action.outcome == Outcome::done) ++totals.done;
        if (action.outcome == Outcome::skipped) ++totals.skipped;
        if (action.outcome == Outcome::failed) ++totals.failed;
    }
    return totals;
}

std::int64_t silent_ms(const Connection& connection) {
    if (connection.last_heard_ms) return *connection.last_heard_ms;
    if (connection.row != nullptr && connection.row->idle_s) return *connection.row->idle_s * 1000;
    return 0;
}

Plan plan_reap(const Sample& sample, const Report& report, MethodChoice choice,
               std::optional<std::uint64_t> most) {
    Plan plan;
    for (const Connection& connection : report.connections) {
        // A peer's reset has closed it already.
        const bool gone = std::ranges::find(connection.evidence, Evidence::probe_reset) !=
                          connection.evidence.end();
        if (connection.verdict == Verdict::ghost && !gone)
            plan.actions.push_back(
                reap_action(sample.servers[connection.server], connection, choice));
    }
    // Feasible actions come first, so that --max counts only those.
    std::ranges::stable_sort(plan.actions, [](const Action& one, const Action& other) {
        return std::tuple(!one.planned, -silent_ms(*one.connection)) <
               std::tuple(!other.planned, -silent_ms(*other.connection));
    });
    const auto planned =
        static_cast<std::uint64_t>(std::ranges::count(plan.actions, true, &Action::planned));
    if (most && planned > *most) {
        plan.beyond_max = planned - *most;
        const auto begin = plan.actions.begin() + static_cast<std::ptrdiff_t>(*most);
        plan.actions.erase(begin, begin + static_cast<std::ptrdiff_t>(plan.beyond_max));
    }
    std::ranges::stable_sort(plan.actions, {},
                             [](const Action& each) { return each.connection->server; });
    return plan;
}

const Socket* socket_to_protect(const Sample& sample, const Connection& connection) {
    switch (connection.verdict) {
        case Verdict::close_wait:
        case Verdict::transient:
        case Verdict::unaccepted:
            return nullptr;
        default:
            break;
    }
    if (is_unix(connection)) return nullptr;
    // If the server is in sight, its side decides: ghosts accumulate there.
    const Socket* socket = connection.server_socket;
    if (socket == nullptr && !sample.servers[connection.server].netns)
        socket = connection.client_socket;
    if (socket == nullptr || socket->state != State::established) return nullptr;
    // A socket from another host's snapshot cannot be borrowed here, even if a local process has
    // the same pid.
    return from_snapshot(*socket) ? nullptr : socket;
}

Plan plan_protect(const Sample& sample, const Report& report) {
    Plan plan;
    for (const Connection& connection : report.connections) {
        const bool by_unix = is_unix(connection) && connection.server_socket != nullptr &&
                             connection.verdict != Verdict::close_wait;
        if (!by_unix && (connection.keepalive == Keepalive::on ||
                         socket_to_protect(sample, connection) == nullptr))
            continue;
        Action action;
        action.connection = &connection;
        action.method = Method::keepalive;
        if (by_unix) {
            action.planned = false;
            action.end(Outcome::skipped, std::string(needs_no_keepalive));
        }
        plan.actions.push_back(std::move(action));
    }
    std::ranges::stable_sort(plan.actions, {}, [](const Action& each) {
        return std::tuple(each.connection->server, -silent_ms(*each.connection));
    });
    return plan;
}

std::vector<Coverage> coverage(const Sample& sample, const Report& report, const Plan& plan) {
    std::vector<Coverage> all(sample.servers.size());
    for (std::size_t at = 0; at < all.size(); ++at) all[at].server = at;
    for (const Connection& connection : report.connections) {
        if (socket_to_protect(sample, connection) == nullptr) continue;
        ++all[connection.server].connections;
        if (connection.keepalive == Keepalive::on) ++all[connection.server].covered;
    }
    for (const Connection* connection : plan.already) ++all[connection->server].covered;
    for (const Action& action : plan.actions) {
        Coverage& its = all[action.connection->server];
        if (action.outcome == Outcome::done || action.reason == has_keepalive)
            ++its.covered;
        else if (action.reason == describe(Change::gone))
            --its.connections;
    }
    std::erase_if(all, [](const Coverage& each) { return each.connections == 0; });
    return all;
}

std::int64_t keepalive_s(const Server& server, std::optional<std::int64_t> chosen) {
    constexpr std::int64_t redis_default = 300;
    constexpr std::uint64_t most = 32767;  // MAX_TCP_KEEPIDLE in net/tcp.h
    if (chosen) return *chosen;
    const std::uint64_t its = server.answer.tcp_keepalive_s.value_or(0);
    return its == 0 ? redis_default : static_cast<std::int64_t>(std::min(its, most));
}

std::vector<ServerSetting> settings_to_change(const Sample& sample,
                                              std::optional<std::int64_t> chosen, bool planned) {
    std::vector<ServerSetting> settings;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        const Server& server = sample.servers[at];
        const bool by_path_alone = server.listening.empty() && !server.path.empty();
        if (family_of(server.kind).settings.keepalive.empty() ||
            server.answer.tcp_keepalive_s != 0U || by_path_alone)
            continue;
        settings.push_back({at, keepalive_s(server, chosen), planned, {}, ""});
    }
    return settings;
}

}  // namespace connleak

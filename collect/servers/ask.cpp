#include "collect/servers/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "collect/unix_sockets.h"
#include "diagnosis/connections/join.h"
#include "diagnosis/findings/findings.h"
#include "diagnosis/model/server_family.h"
#include "probes/conversation.h"
#include "probes/proc/thread_sockets.h"

namespace connleak::collect {

namespace {

constexpr std::size_t asked_at_once = 8;

// Where to connect to a server, most likely address first. Loopback if it listens there: protected
// mode refuses all others.
std::vector<Endpoint> ways_to(const std::vector<Namespace>& networks, const Server& server) {
    std::vector<Endpoint> ways;
    const auto add = [&](const Endpoint& end) {
        if (end.address.is_unspecified() || end.address.is_link_local()) return;
        if (std::ranges::find(ways, end) == ways.end()) ways.push_back(end);
    };
    if (server.listening.empty()) {
        add(server.endpoint);
        return ways;
    }
    std::vector<std::uint16_t> ports{server.endpoint.port};
    for (const Endpoint& end : server.listening)
        if (std::ranges::find(ports, end.port) == ports.end()) ports.push_back(end.port);
    const Namespace* place = server.netns ? find_network(networks, *server.netns) : nullptr;
    for (const std::uint16_t port : ports) {
        for (const char* loopback : {"127.0.0.1", "::1"}) {
            const Endpoint end{*Address::parse(loopback), port};
            if (listens_on(server, end)) add(end);
        }
        if (server.endpoint.port == port) add(server.endpoint);
        for (const Endpoint& end : server.listening)
            if (end.port == port) add(end);
        if (place == nullptr) continue;
        for (const InterfaceAddress& own : place->addresses)
            if (listens_on(server, {own.address, port})) add({own.address, port});
    }
    return ways;
}

// Whether another address, port or path of the same server may work better: not if it answered,
// refused because of its limit, or used all of the time.
bool worth_another_try(const ServerAnswer& answer) {
    if (family_of(answer.kind).asking.addresses_differ &&
        (answer.refused_at_limit || answer.login_denied))
        return true;
    return !answer.reachable && !answer.refused_at_limit &&
           answer.error.find("no answer") == std::string::npos;
}

// How useful the result of an attempt is.
int worth(const ServerAnswer& answer) {
    if (answer.refused_at_limit) return 2;
    if (answer.login_denied) return 1;
    return answer.reachable ? 3 : 0;
}

// A server to be asked by TLS is never asked in plain text instead.
void leave_unasked(Server& server, std::vector<Gap>& gaps) {
    server.answer.error =
        fmt::format("TLS is not in this build of connleak: {}", probes::why_no_tls());
    gaps.push_back({std::string(family_of(server.kind).gap_source), server.endpoint.text(),
                    server.answer.error,
                    "all that the server knows; what follows is what the kernel shows without it"});
}

// The name that the server's certificate must be for. A server whose listening socket is in sight
// cannot be mistaken for another one, so no name is required for an address.
std::string certificate_name(const Server& server) {
    if (!server.host_name.empty()) return server.host_name;
    return server.listening.empty() ? server.endpoint.address.text() : "";
}

struct Asked {
    std::shared_ptr<probes::Conversation> conversation;
    ServerAnswer answer;
    std::optional<std::int32_t> peer_pid;  // at the other end of a Unix socket
    std::string user;
};

ServerAnswer no_way(ServerKind kind, const std::string& scope, const std::string& error,
                    const std::string& why) {
    ServerAnswer answer;
    answer.kind = kind;
    answer.asked = true;
    answer.error = why + " (" + error + ")";
    answer.gaps.push_back({std::string(family_of(kind).gap_source), scope, error,
                           why + ": " + std::string(probes::lacks_everything)});
    return answer;
}

// Some families have their own sources for a login, which apply unless this run was given another
// one. REDISCLI_AUTH, which is for Redis only, is tried last, and only at a server that the user
// named.
probes::Credentials credentials_for(const Request& request, const Server& server,
                                    const std::string& password) {
    probes::Credentials credentials{.user = request.user,
                                    .password = password,
                                    .second_password = {},
                                    .defaults_file = request.defaults_file,
                                    .tls = std::nullopt};
    for (const Target& target : request.targets)
        if (!target.user.empty() && target.port == server.endpoint.port)
            credentials.user = target.user;
    const ServerFamily::Asking& asking = family_of(server.kind).asking;
    if (asking.own_tls && server.tls) credentials.tls = request.tls_settings;
    if (!asking.own_login_files) return credentials;
    if (request.ask_password || !request.password_file.empty()) return credentials;
    credentials.password.clear();
    if (!request.targets.empty()) credentials.second_password = password;
    return credentials;
}

// The namespace from which the server is asked.
const netlink::Netns& place_of(const Server& server, const Namespaces& namespaces) {
    const netlink::Netns* chosen = server.netns ? namespaces.find(*server.netns) : nullptr;
    return chosen != nullptr ? *chosen : namespaces.home();
}

// What all servers of one run are asked with.
struct Asking {
    const Request& request;
    const Login& login;
    const Namespaces& namespaces;
    const std::vector<Namespace>& networks;
};

Asked ask_one(const Asking& run, const Server& server, const probes::Credentials& credentials) {
    const netlink::Netns& place = place_of(server, run.namespaces);
    const probes::RunInside inside = [&place](const auto& work) { return place.run(work); };
    const auto step = run.request.connect_timeout;
    const auto deadline = std::chrono::steady_clock::now() + 4 * step;
    const auto limits = [&] {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        return probes::Limits{.step = std::min(step, left), .total = left};
    };
    probes::TlsUse tls;
    if (server.tls) tls = {run.login.tls, certificate_name(server)};
    const std::string scope = server.path.empty() ? server.endpoint.text() : server.path;
    const bool by_path = !server.path.empty();

    Asked asked;
    const auto ask = [&](const probes::TlsUse& use, const auto& put) {
        asked.conversation =
            probes::make_conversation(server.kind, scope, credentials, limits(), use);
        asked.answer = put(*asked.conversation);
    };
    const auto ask_by_path = [&](const UnixWay& way) {
        if (!way.refusal.empty()) {
            asked.answer = no_way(server.kind, scope, way.refusal,
                                  "the path of its Unix socket leads to none");
            return;
        }
        ask({}, [&](auto& conversation) { return conversation.ask_unix(way.address, inside); });
        asked.peer_pid = asked.conversation->peer_pid();
        if (!asked.peer_pid || is_server(server, *asked.peer_pid)) return;
        asked = {};
        asked.answer =
            no_way(server.kind, scope, "ESTALE", "another process listens at the path now");
    };
    std::optional<std::uint16_t> without_tls;
    const auto try_once = [&](std::uint16_t port, const auto& put) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        Asked before = std::exchange(asked, {});
        put();
        const ServerAnswer& answer = asked.answer;
        const bool goes_on = worth_another_try(answer);
        if (port != 0 && server.tls && answer.tls == false) without_tls = port;
        // The first failure is reported: it belongs to the address that the server is named by.
        if (before.answer.asked && worth(answer) <= worth(before.answer)) asked = std::move(before);
        return goes_on;
    };
    const auto by_tcp = [&] {
        if (by_path) return true;
        for (const Endpoint& end : ways_to(run.networks, server)) {
            if (end.port == without_tls) continue;
            const bool goes_on = try_once(end.port, [&] {
                ask(tls, [&](auto& conversation) { return conversation.ask(end, inside); });
            });
            if (!goes_on) return false;
        }
        return true;
    };
    // Only without TLS: a TLS problem must be reported, not worked around.
    const auto by_unix = [&] {
        if (server.tls) return false;
        for (const UnixWay& way : unix_ways_to(server)) {
            const bool goes_on = try_once(0, [&] { ask_by_path(way); });
            if (!goes_on) return false;
        }
        return true;
    };
    if (family_of(server.kind).asking.unix_socket_first && run.request.targets.empty()) {
        if (by_unix()) by_tcp();
    } else if (by_tcp()) {
        by_unix();
    }
    return asked;
}

}  // namespace

Read<std::vector<Server>> ask_servers(const Request& request, const Login& login,
                                      const Namespaces& namespaces,
                                      const std::vector<Namespace>& networks,
                                      std::vector<Server> servers) {
    Read<std::vector<Server>> read;
    std::vector<std::size_t> to_ask;
    for (std::size_t at = 0; at < servers.size(); ++at) {
        Server& server = servers[at];
        if (!can_be_asked(server.kind)) continue;
        server.tls |= request.tls && server.path.empty();
        if (server.tls && login.tls == nullptr && !family_of(server.kind).asking.own_tls)
            leave_unasked(server, read.gaps);
        else
            to_ask.push_back(at);
    }

    const Asking run{request, login, namespaces, networks};
    std::vector<Asked> answers(servers.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t at = next++; at < to_ask.size(); at = next++) {
            const Server& server = servers[to_ask[at]];
            const probes::Credentials credentials =
                credentials_for(request, server, login.password);
            answers[to_ask[at]] = ask_one(run, server, credentials);
            answers[to_ask[at]].user = credentials.user;
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t at = 1; at < std::min(asked_at_once, to_ask.size()); ++at)
        threads.emplace_back(work);
    work();
    threads.clear();

    for (const std::size_t at : to_ask) {
        Server& server = servers[at];
        server.conversation = std::move(answers[at].conversation);
        server.answer = std::move(answers[at].answer);
        server.user = std::move(answers[at].user);
        if (!server.answer.version.empty()) server.kind = server.answer.kind;
        if (!server.pid) server.pid = answers[at].peer_pid;
        if (server.pid) probes::find_thread_sockets(*server.pid, server.answer.clients);
        server.asked_from = place_of(server, namespaces).id();
        std::ranges::move(server.answer.gaps, std::back_inserter(read.gaps));
        server.answer.gaps.clear();
    }
    read.value = std::move(servers);
    return read;
}

}  // namespace connleak::collect

#include "cli/ask.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "cli/unix_sockets.h"
#include "diagnosis/findings.h"
#include "diagnosis/join.h"
#include "probes/redis_interview.h"
#include "system/descriptor.h"

namespace connleak::cli {

namespace {

constexpr std::size_t asked_at_once = 8;

// Where to connect to a server, the likeliest first. Loopback where it listens there: protected
// mode lets nobody else in.
std::vector<Endpoint> ways_to(const Session& session, const Server& server) {
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
    const Namespace* place = server.netns ? session.network(*server.netns) : nullptr;
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

// Whether another address or port of the same server may do better: not where it answered, refused
// for its limit, or already took all the time there is.
bool worth_another_try(const ServerAnswer& answer) {
    return !answer.reachable && !answer.refused_at_limit &&
           answer.error.find("no answer") == std::string::npos;
}

// What is to be asked by TLS is never asked in plain text instead.
void leave_unasked(Server& server, std::vector<Gap>& gaps) {
    server.answer.error =
        fmt::format("TLS is not in this build of connleak: {}", probes::why_no_tls());
    gaps.push_back({"redis", server.endpoint.text(), server.answer.error,
                    "all that the server knows; what follows is what the kernel shows without it"});
}

// Whom the server's certificate must be for. A server whose listening socket is in sight is not
// taken for another one, so that of an address nothing is asked.
std::string certificate_name(const Server& server) {
    if (!server.host_name.empty()) return server.host_name;
    return server.listening.empty() ? server.endpoint.address.text() : "";
}

struct Asked {
    std::unique_ptr<probes::RedisConversation> conversation;
    ServerAnswer answer;
    std::optional<std::int32_t> peer_pid;  // of a Unix socket's other end
    std::string user;
};

// Who listens at the other end of a Unix socket (unix(7), SO_PEERCRED), as a pid of our own pid
// namespace.
std::optional<std::int32_t> peer_pid(int descriptor) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0)
        return std::nullopt;
    return peer.pid;
}

ServerAnswer no_way(const std::string& scope, const std::string& error, const std::string& why) {
    ServerAnswer answer;
    answer.asked = true;
    answer.error = why + " (" + error + ")";
    answer.gaps.push_back(
        {"redis", scope, error, why + ": " + std::string(probes::lacks_everything)});
    return answer;
}

// Tells in `pid` who is at the other end.
ServerAnswer ask_by_path(probes::RedisConversation& conversation, const UnixWay& way,
                         const probes::OpenSocket& open_socket, const std::string& scope,
                         std::optional<std::int32_t>& pid) {
    if (!way.refusal.empty())
        return no_way(scope, way.refusal, "the path of its Unix socket leads to none");
    // The conversation owns its socket and keeps the way to it; a second descriptor of it tells who
    // is at the other end.
    const auto second = std::make_shared<Descriptor>();
    ServerAnswer answer =
        conversation.ask_unix(way.address, [open_socket, second, file = way.file](int family) {
            const int descriptor = open_socket(family);
            if (descriptor >= 0) *second = Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
            return descriptor;
        });
    if (*second) pid = peer_pid(second->get());
    *second = Descriptor();
    return answer;
}

Asked ask_one(const Session& session, const Server& server,
              const probes::Credentials& credentials) {
    const netlink::Netns* chosen = server.netns ? session.netns(*server.netns) : nullptr;
    const netlink::Netns& place = chosen != nullptr ? *chosen : session.home();
    const probes::OpenSocket open_socket = [&place](int family) {
        int descriptor = -1;
        int error = 0;
        const int entered = place.run([&] {
            descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
            error = errno;
        });
        errno = entered != 0 ? entered : error;
        return descriptor;
    };
    const auto step = session.options().connect_timeout;
    const auto deadline = std::chrono::steady_clock::now() + 4 * step;
    const auto limits = [&] {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        return probes::RedisLimits{.step = std::min(step, left), .total = left};
    };
    probes::TlsUse tls;
    if (server.tls) tls = {session.tls, certificate_name(server)};
    const std::string scope = server.path.empty() ? server.endpoint.text() : server.path;
    const bool by_path = !server.path.empty();

    Asked asked;
    const auto ask = [&](const probes::TlsUse& use, const auto& put) {
        asked.conversation =
            std::make_unique<probes::RedisConversation>(scope, credentials, limits(), use);
        asked.answer = put(*asked.conversation);
    };
    std::optional<std::uint16_t> without_tls;
    const auto try_once = [&](std::uint16_t port, const auto& put) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        Asked before = std::exchange(asked, {});
        put();
        const ServerAnswer& answer = asked.answer;
        const bool goes_on = worth_another_try(answer);
        if (port != 0 && server.tls && answer.tls == false) without_tls = port;
        // The first failure is the one to report: it is of the address that the server is named by.
        if (!answer.reachable && !answer.refused_at_limit && before.answer.asked)
            asked = std::move(before);
        return goes_on;
    };
    bool go_on = true;
    for (const Endpoint& end : by_path ? std::vector<Endpoint>() : ways_to(session, server)) {
        if (end.port == without_tls) continue;
        go_on = try_once(end.port, [&] {
            ask(tls, [&](auto& conversation) { return conversation.ask(end, open_socket); });
        });
        if (!go_on) break;
    }
    // Where TLS was not asked for: what is wrong with it is to be told, not gone around.
    go_on = go_on && !server.tls;
    for (const UnixWay& way : go_on ? unix_ways_to(server) : std::vector<UnixWay>()) {
        go_on = try_once(0, [&] {
            ask({}, [&](auto& conversation) {
                return ask_by_path(conversation, way, open_socket, scope, asked.peer_pid);
            });
            if (asked.peer_pid && !is_server(server, *asked.peer_pid)) {
                asked = {};
                asked.answer = no_way(scope, "ESTALE", "another process listens at the path now");
            }
        });
        if (!go_on) break;
    }
    return asked;
}

}  // namespace

void ask_servers(Session& session, const std::string& password) {
    Sample& sample = session.sample();
    session.conversations.resize(sample.servers.size());
    const auto& targets = session.options().targets;
    std::vector<std::size_t> to_ask;
    for (std::size_t at = 0; at < sample.servers.size(); ++at) {
        Server& server = sample.servers[at];
        if (server.kind == ServerKind::tcp) continue;
        server.tls |= session.options().tls && server.path.empty();
        if (server.tls && session.tls == nullptr)
            leave_unasked(server, sample.gaps);
        else
            to_ask.push_back(at);
    }

    std::vector<Asked> answers(sample.servers.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t at = next++; at < to_ask.size(); at = next++) {
            const Server& server = sample.servers[to_ask[at]];
            probes::Credentials credentials{.user = session.options().user, .password = password};
            for (const Target& target : targets)
                if (!target.user.empty() && target.port == server.endpoint.port)
                    credentials.user = target.user;
            answers[to_ask[at]] = ask_one(session, server, credentials);
            answers[to_ask[at]].user = credentials.user;
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t at = 1; at < std::min(asked_at_once, to_ask.size()); ++at)
        threads.emplace_back(work);
    work();
    threads.clear();

    for (const std::size_t at : to_ask) {
        Server& server = sample.servers[at];
        session.conversations[at] = std::move(answers[at].conversation);
        server.answer = std::move(answers[at].answer);
        server.user = std::move(answers[at].user);
        if (!server.answer.version.empty()) server.kind = server.answer.kind;
        if (!server.pid) server.pid = answers[at].peer_pid;
        server.asked_from = server.netns ? *server.netns : session.home().id();
        session.redis_ms += server.answer.asking_ms;
        std::ranges::move(server.answer.gaps, std::back_inserter(sample.gaps));
        server.answer.gaps.clear();
    }
}

}  // namespace connleak::cli

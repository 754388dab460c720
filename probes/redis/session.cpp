#include "probes/redis/session.h"

#include <algorithm>
#include <span>
#include <utility>

#include "probes/error_text.h"

namespace connleak::probes {

RedisSession::RedisSession(std::string scope_, const Credentials& credentials_, Limits limits_)
    : scope(std::move(scope_)), credentials(credentials_), limits(limits_), time(limits_) {}

RedisSession::~RedisSession() {
    wipe(credentials.password);
}

std::expected<RespConnection, RespFailure> RedisSession::connect() {
    const Deadline deadline = time.next_deadline();
    if (!path.empty()) return RespConnection::connect(path, open_socket, deadline);
    auto made = RespConnection::connect(server, open_socket, deadline);
    if (!made || !tls.context) return made;
    if (auto failed = made->secure(tls, time.next_deadline())) return std::unexpected(*failed);
    return made;
}

bool RedisSession::answers_plain_text() {
    auto made = RespConnection::connect(server, open_socket, time.next_deadline());
    if (!made) return false;
    const std::string answer = made->first_answer("PING\r\n", time.next_deadline());
    return answer.starts_with('+') || answer.starts_with('-');
}

bool RedisSession::answers_tls() {
    if (!path.empty()) return false;
    auto made = RespConnection::connect(server, open_socket, time.next_deadline());
    return made && is_tls_record(made->first_answer(tls_hello(), time.next_deadline()));
}

RedisSession::Result RedisSession::put(RespConnection& to, Words words, std::uint64_t most_bytes) {
    return to.ask(std::span(words.begin(), words.size()), std::min(most_bytes, limits.bytes),
                  time.next_deadline());
}

RedisSession::Replies RedisSession::put_all(std::span<const RespConnection::Command> commands,
                                            std::uint64_t most_bytes) {
    Replies replies;
    if (const auto failed = connection->ask_all(
            commands, std::min(most_bytes, limits.bytes), time.next_deadline(),
            [&](std::unique_ptr<RespReply> reply) { replies.push_back(std::move(reply)); }))
        connection.reset();
    return replies;
}

RedisSession::Result RedisSession::log_in(RespConnection& to) {
    const std::string_view password = credentials.password;
    if (credentials.user.empty()) return put(to, {"AUTH", password}, most_small_bytes);
    return put(to, {"AUTH", credentials.user, password}, most_small_bytes);
}

// Finds our row by its id if the server reports it, because with translation an address can be
// another client's. Otherwise by address, and if that is translated too, by content: our row is the
// one that is sending this query.
std::vector<ServerClient>::iterator RedisSession::find_own(
    std::vector<ServerClient>& clients) const {
    if (own_id) return std::ranges::find(clients, *own_id, &ServerClient::id);
    if (own_address) {
        const auto found = std::ranges::find(clients, own_address, &ServerClient::address);
        if (found != clients.end()) return found;
    }
    const auto asks = [](const ServerClient& client) {
        return client.idle_s == 0 &&
               (client.command == "client" || client.command == "client|list");
    };
    const auto found = std::ranges::find_if(clients, asks);
    const bool alone =
        found != clients.end() && std::find_if(found + 1, clients.end(), asks) == clients.end();
    return alone ? found : clients.end();
}

}  // namespace connleak::probes

#include "probes/redis.h"

#include <chrono>
#include <exception>
#include <utility>

#include "probes/redis_decode.h"
#include "probes/redis_impl.h"
#include "probes/redis_interview.h"
#include "probes/redis_refusals.h"

namespace connleak::probes {

ServerAnswer RedisConversation::Impl::converse() {
    const auto start = Clock::now();
    ServerAnswer answer;
    connection.reset();
    left = limits.total;
    const Turn turn(*this);
    try {
        interview(*this, answer);
    } catch (const std::exception& problem) {  // out of memory, in practice
        connection.reset();
        if (answer.error.empty()) answer.error = problem.what();
        answer.gaps.push_back({"redis", scope, problem.what(), lacks_everything});
    }
    answer.asking_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return answer;
}

RedisConversation::RedisConversation(std::string scope, Credentials credentials, RedisLimits limits,
                                     TlsUse tls)
    : impl_(std::make_unique<Impl>(std::move(scope), credentials, limits)) {
    impl_->tls = std::move(tls);
    wipe(credentials.password);
}

RedisConversation::RedisConversation(RedisConversation&&) noexcept = default;
RedisConversation& RedisConversation::operator=(RedisConversation&&) noexcept = default;
RedisConversation::~RedisConversation() = default;

ServerAnswer RedisConversation::ask(const Endpoint& server, const OpenSocket& open_socket) {
    impl_->server = server;
    impl_->path.clear();
    impl_->open_socket = open_socket;
    return impl_->converse();
}

ServerAnswer RedisConversation::ask_unix(const std::string& path, const OpenSocket& open_socket) {
    impl_->path = path;
    impl_->open_socket = open_socket;
    return impl_->converse();
}

std::optional<std::vector<ServerClient>> RedisConversation::clients_again() {
    if (!impl_->connection) return std::nullopt;
    const Impl::Turn turn(*impl_);
    try {
        const auto reply = impl_->put(*impl_->connection, {"CLIENT", "LIST"}, impl_->limits.bytes);
        if (!reply) {
            impl_->connection.reset();
            return std::nullopt;
        }
        if ((*reply)->kind != ReplyKind::string) return std::nullopt;
        ClientList list = parse_client_list((*reply)->text);
        if (list.dropped_lines > 0) return std::nullopt;
        const auto own = impl_->find_own(list.clients);
        if (own != list.clients.end()) list.clients.erase(own);
        return std::move(list.clients);
    } catch (const std::exception&) {
        impl_->connection.reset();
        return std::nullopt;
    }
}

std::string RedisConversation::run_id_again() {
    if (!impl_->open_socket) return {};
    const Impl::Turn turn(*impl_);
    try {
        auto connection = impl_->connect();
        if (!connection) return {};
        if (!impl_->credentials.password.empty() && !impl_->log_in(*connection)) return {};
        const auto reply = impl_->put(*connection, {"INFO", "server"}, most_small_bytes);
        if (!reply || (*reply)->kind != ReplyKind::string) return {};
        const auto fields = parse_info((*reply)->text);
        const auto run_id = fields.find("run_id");
        return run_id == fields.end() ? std::string{} : std::string(run_id->second);
    } catch (const std::exception&) {
        return {};
    }
}

}  // namespace connleak::probes

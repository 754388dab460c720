#include "probes/redis/redis.h"

#include <fcntl.h>

#include <chrono>
#include <exception>
#include <utility>

#include "probes/error_text.h"
#include "probes/redis/decode.h"
#include "probes/redis/impl.h"
#include "probes/redis/queries.h"
#include "system/descriptor.h"

namespace connleak::probes {

ServerAnswer RedisConversation::Impl::converse() {
    const auto start = TimeBudget::Clock::now();
    ServerAnswer answer;
    connection.reset();
    time.refill();
    const TimeBudget::Turn turn(time);
    try {
        run_queries(*this, answer);
    } catch (const std::exception& problem) {  // usually out of memory
        connection.reset();
        if (answer.error.empty()) answer.error = problem.what();
        answer.gaps.push_back({"redis", scope, problem.what(), lacks_everything});
    }
    run_id = answer.run_id;
    answer.asking_ms = milliseconds_since(start);
    return answer;
}

RedisConversation::RedisConversation(std::string scope, Credentials credentials, Limits limits,
                                     TlsUse tls)
    : impl_(std::make_unique<Impl>(std::move(scope), credentials, limits)) {
    impl_->tls = std::move(tls);
    wipe(credentials.password);
}

RedisConversation::~RedisConversation() = default;

ServerAnswer RedisConversation::ask(const Endpoint& server, const RunInside& inside) {
    return ask(server, open_inside(inside));
}

// The conversation owns its socket; a duplicate descriptor is used to find the peer process.
ServerAnswer RedisConversation::ask_unix(const std::string& path, const RunInside& inside) {
    const auto second = std::make_shared<Descriptor>();
    ServerAnswer answer = ask_unix(path, [open = open_inside(inside), second](int family) {
        const int descriptor = open(family);
        if (descriptor >= 0) *second = Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
        return descriptor;
    });
    if (*second) impl_->peer_pid = peer_of(second->get());
    *second = Descriptor();
    return answer;
}

std::optional<std::int32_t> RedisConversation::peer_pid() const {
    return impl_->peer_pid;
}

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
    const TimeBudget::Turn turn(impl_->time);
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

bool RedisConversation::same_server_again() {
    return !impl_->run_id.empty() && run_id_again() == impl_->run_id;
}

std::string RedisConversation::run_id_again() {
    if (!impl_->open_socket) return {};
    const TimeBudget::Turn turn(impl_->time);
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

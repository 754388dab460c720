// The queries and commands of the verbs that act.
#include <algorithm>
#include <exception>

#include "probes/redis/decode.h"
#include "probes/redis/errors.h"
#include "probes/redis/impl.h"

namespace connleak::probes {

std::optional<std::vector<ServerClient>> RedisConversation::clients_by_id(
    std::span<const std::uint64_t> ids) {
    if (!impl_->connection) return std::nullopt;
    if (ids.empty()) return std::vector<ServerClient>();
    impl_->time.refill();
    try {
        RespConnection::Command command{"CLIENT", "LIST", "ID"};
        for (const std::uint64_t id : ids) command.push_back(std::to_string(id));
        RedisSession::Replies replies;
        {
            const TimeBudget::Turn turn(impl_->time);
            replies = impl_->put_all({&command, 1}, impl_->limits.bytes);
        }
        if (replies.size() != 1) return std::nullopt;
        std::vector<ServerClient> rows;
        if (replies.front()->kind == ReplyKind::string) {
            ClientList list = parse_client_list(replies.front()->text);
            if (list.dropped_lines > 0) return std::nullopt;
            rows = std::move(list.clients);
        } else {
            auto all = clients_again();
            if (!all) return std::nullopt;
            rows = std::move(*all);
        }
        // Keep only the rows that were asked for, whatever the server sent.
        std::erase_if(rows, [&](const ServerClient& row) {
            return std::ranges::find(ids, row.id) == ids.end();
        });
        return rows;
    } catch (const std::exception&) {
        impl_->connection.reset();
        return std::nullopt;
    }
}

std::vector<KillAnswer> RedisConversation::kill_clients(std::span<const std::uint64_t> ids) {
    std::vector<KillAnswer> answers;
    if (!impl_->connection || ids.empty()) return answers;
    impl_->time.refill();
    const TimeBudget::Turn turn(impl_->time);
    try {
        std::vector<RespConnection::Command> commands;
        for (const std::uint64_t id : ids)
            commands.push_back({"CLIENT", "KILL", "ID", std::to_string(id)});
        for (const auto& reply : impl_->put_all(commands, most_small_bytes)) {
            KillAnswer answer;
            if (reply->kind == ReplyKind::integer)
                answer.killed = reply->integer > 0;
            else if (reply->kind == ReplyKind::error)
                answer.refusal = error_of_reply(reply->text, impl_->credentials.password).message;
            else
                answer.refusal = "CLIENT KILL was answered with something else";
            answers.push_back(std::move(answer));
        }
    } catch (const std::exception&) {
        impl_->connection.reset();
    }
    return answers;
}

std::string RedisConversation::set_config(std::string_view name, std::string_view value) {
    constexpr const char* silent = "the server does not answer any more";
    if (!impl_->connection) return silent;
    impl_->time.refill();
    const TimeBudget::Turn turn(impl_->time);
    const auto reply =
        impl_->put(*impl_->connection, {"CONFIG", "SET", name, value}, most_small_bytes);
    if (!reply) {
        impl_->connection.reset();
        return silent;
    }
    if ((*reply)->kind == ReplyKind::status) return {};
    return error_of_reply((*reply)->text, impl_->credentials.password).message;
}

}  // namespace connleak::probes

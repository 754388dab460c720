#include "probes/redis/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "probes/redis/decode.h"
#include "probes/redis/errors.h"

namespace connleak::probes {

namespace {

using Clock = TimeBudget::Clock;
using Words = RedisSession::Words;
using Reply = std::unique_ptr<RespReply>;

// No version's row in CLIENT LIST is shorter.
constexpr std::uint64_t least_row_bytes = 64;

constexpr const char* lacks_info = "the server's version, client counts and limits";
constexpr const char* lacks_settings = "the server's tcp-keepalive and timeout settings";
constexpr const char* lacks_clients = "the server's own list of its clients";

std::string_view text_of(const RespReply& reply) {
    return reply.kind == ReplyKind::string || reply.kind == ReplyKind::status
               ? std::string_view(reply.text)
               : std::string_view{};
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// One conversation: sends the queries in order and records the results.
class Queries {
  public:
    Queries(RedisSession& session, ServerAnswer& answer) : session_(session), answer_(answer) {}

    void run() {
        answer_.asked = true;
        if (!connect()) return;
        log_in();
        ask_info();
        ask_settings();
        ask_own_id();
        ask_clients();
    }

  private:
    void note(RedisError error, std::string effect) {
        if (answer_.error.empty()) answer_.error = std::move(error.message);
        answer_.gaps.push_back({"redis", session_.scope, std::move(error.code), std::move(effect)});
    }

    void end_with(RedisError error, std::string effect) {
        note(std::move(error), std::move(effect));
        over_ = true;
        session_.connection.reset();
    }

    bool connect() {
        auto connection = session_.connect();
        if (session_.tls.context) answer_.tls = true;
        // Redis takes the handshake for an incomplete line and waits for its end.
        if (!connection && session_.tls.context && connection.error().kind == FailureKind::silent &&
            session_.answers_plain_text()) {
            answer_.tls = false;
            end_with(speaks_no_tls(), lacks_everything);
            return false;
        }
        if (!connection) {
            end_with(error_of_failure(connection.error(), context(0)), lacks_everything);
            return false;
        }
        session_.connection = std::move(*connection);
        answer_.own_connection = session_.connection->tuple();
        return true;
    }

    [[nodiscard]] FailureContext context(std::uint64_t most_bytes) const {
        return {!heard_, session_.time.timeout(), std::min(most_bytes, session_.limits.bytes),
                session_.credentials.password, session_.tls.context != nullptr};
    }

    // A server that expects TLS answers plain text with an alert, or closes without an answer.
    bool found_tls(const RespFailure& failure) {
        if (heard_ || session_.tls.context) return false;
        return is_tls_record(failure.head) ||
               (failure.kind == FailureKind::closed && session_.answers_tls());
    }

    // The reply, which can be a server error; nullptr if the conversation is over.
    Reply hear(RedisSession::Result result, std::uint64_t most_bytes, std::string_view lacks) {
        if (!result && found_tls(result.error())) {
            answer_.tls = true;
            end_with(speaks_tls(), lacks_everything);
            return nullptr;
        }
        if (!result) {
            end_with(error_of_failure(result.error(), context(most_bytes)),
                     std::string(heard_ ? lacks : lacks_everything));
            return nullptr;
        }
        heard_ = true;
        answer_.tls = session_.tls.context != nullptr;
        if ((*result)->kind != ReplyKind::error) {
            answer_.reachable = true;
            return std::move(*result);
        }
        const std::string_view text = (*result)->text;
        switch (classify(text)) {
            case Refusal::at_limit:
                answer_.refused_at_limit = true;
                end_with(error_from(text), lacks_everything);
                return nullptr;
            case Refusal::protected_mode:
                end_with(error_from(text), lacks_everything);
                return nullptr;
            case Refusal::needs_login:
                answer_.reachable = true;
                end_with(login_refusal_ ? *login_refusal_ : error_from(text), lacks_everything);
                return nullptr;
            case Refusal::no_login_known:
            case Refusal::other:
                break;
        }
        answer_.reachable = true;
        return std::move(*result);
    }

    // `lacks`: what stays unknown if the conversation ends here.
    Reply ask(Words words, std::uint64_t most_bytes, std::string_view lacks) {
        if (over_) return nullptr;
        return hear(session_.put(*session_.connection, words, most_bytes), most_bytes, lacks);
    }

    [[nodiscard]] RedisError error_from(std::string_view error_reply) const {
        return error_of_reply(error_reply, session_.credentials.password);
    }

    void log_in() {
        if (session_.credentials.password.empty()) return;
        const Reply reply =
            hear(session_.log_in(*session_.connection), most_small_bytes, lacks_everything);
        if (!reply || reply->kind == ReplyKind::status) return;
        if (reply->kind != ReplyKind::error) return deny_redis();
        if (classify(reply->text) == Refusal::no_login_known)
            return;  // then it answers without a login
        login_refusal_ = error_from(reply->text);
    }

    void deny_redis() {
        answer_.reachable = false;
        end_with(not_redis({}, {}), lacks_everything);
    }

    void ask_info() {
        // All sections at once: naming several requires Redis 7, and only KeyDB's own section
        // identifies KeyDB.
        const Reply reply = ask({"INFO"}, most_small_bytes, lacks_everything);
        if (!reply) return;
        if (login_refusal_)
            note(*login_refusal_, "what only this login may see: the server was asked without it");
        if (reply->kind == ReplyKind::error) return note(error_from(reply->text), lacks_info);
        if (reply->kind != ReplyKind::string) return deny_redis();
        apply_info(reply->text, answer_);
    }

    void ask_settings() {
        // A Sentinel has no CONFIG command, and none of these settings.
        if (answer_.topology.mode == ServerMode::sentinel) return;
        const std::string lacks = fmt::format("{}, and {}", lacks_settings, lacks_clients);
        const auto get = [&](std::string_view name, std::optional<std::uint64_t>& fact) {
            const Reply reply = ask({"CONFIG", "GET", name}, most_small_bytes, lacks);
            if (!reply) return false;
            if (reply->kind == ReplyKind::error) {
                note(error_from(reply->text), lacks_settings);
                return false;
            }
            // The server answers an unknown name with an empty list.
            if (reply->elements.size() == 2) fact = number_of(text_of(*reply->elements[1]));
            return true;
        };
        if (!get("tcp-keepalive", answer_.tcp_keepalive_s) || !get("timeout", answer_.timeout_s))
            return;
        // Since 6.2 INFO reports the effective limit; the configured one can exceed what the
        // descriptors allow.
        if (!answer_.maxclients) get("maxclients", answer_.maxclients);
        if (answer_.topology.mode != ServerMode::cluster) return;
        std::optional<std::uint64_t> port;  // since 7.0; 0 is the default
        if (get("cluster-port", port) && port.value_or(0) > 0 && *port <= 65535)
            answer_.topology.cluster_port = static_cast<std::uint16_t>(*port);
    }

    void ask_own_id() {
        const Reply reply = ask({"CLIENT", "ID"}, most_small_bytes, lacks_clients);
        // An error does no harm: versions before 5.0 lack the command, and the address finds the
        // row too.
        if (reply && reply->kind == ReplyKind::integer && reply->integer > 0)
            answer_.own_id = static_cast<std::uint64_t>(reply->integer);
        session_.own_id = answer_.own_id;
        session_.own_address.reset();
        if (answer_.own_connection) session_.own_address = answer_.own_connection->local;
    }

    void ask_clients() {
        if (over_) return;
        const std::uint64_t most_bytes = session_.limits.bytes;
        // More than a process can hold: Dragonfly's counter has been seen with absurd values.
        constexpr std::uint64_t most_likely = 1U << 20U;
        std::uint64_t likely = answer_.connected_clients.value_or(0);
        if (likely > most_likely) likely = 0;
        if (likely > most_bytes / least_row_bytes) {
            const std::string text =
                fmt::format("a list of {} clients would be larger than {} bytes",
                            *answer_.connected_clients, most_bytes);
            return note({text, text}, lacks_clients);
        }
        const auto start = Clock::now();
        const Reply reply = ask({"CLIENT", "LIST"}, most_bytes, lacks_clients);
        if (!reply) return;
        answer_.client_list_ms = milliseconds_since(start);
        if (reply->kind == ReplyKind::error) return note(error_from(reply->text), lacks_clients);
        if (reply->kind != ReplyKind::string)
            return note({"protocol error", "CLIENT LIST was answered with something else"},
                        lacks_clients);
        answer_.client_list_bytes = reply->text.size();
        ClientList list = parse_client_list(reply->text);
        answer_.clients = std::move(list.clients);
        answer_.clients_complete = list.dropped_lines == 0;
        if (list.dropped_lines > 0)
            note({"protocol error", "CLIENT LIST has lines that are no client's"},
                 fmt::format("{} lines of the server's client list", list.dropped_lines));
        reconcile();
        leave_out_own();
    }

    // INFO's count and the list are from two different moments; a later INFO shows the connections
    // opened and closed in between. Replicas are in the list but not in the count.
    void reconcile() {
        if (!answer_.clients_complete) return;
        answer_.listed_clients = static_cast<std::uint64_t>(std::ranges::count_if(
            answer_.clients,
            [](const ServerClient& client) { return client.purpose != Purpose::replication; }));
        const auto counted = answer_.connected_clients;
        if (!counted || *counted == *answer_.listed_clients) return;
        const Reply reply =
            ask({"INFO"}, most_small_bytes, "what came and went while it was asked");
        if (!reply || reply->kind != ReplyKind::string) return;
        ServerAnswer later;
        apply_info(reply->text, later);
        const std::uint64_t listed = *answer_.listed_clients;
        const std::uint64_t after = later.connected_clients.value_or(*counted);
        const std::uint64_t came = std::max(later.total_connections_received.value_or(0),
                                            answer_.total_connections_received.value_or(0)) -
                                   answer_.total_connections_received.value_or(0);
        if (listed + came >= std::min(after, *counted) &&
            listed <= std::max(after, *counted) + came)
            return;
        answer_.counts_disagree = true;
        answer_.gaps.push_back(
            {"redis", session_.scope,
             fmt::format("connected_clients is {}, CLIENT LIST has {}", after, listed),
             "how many clients the server has: it tells two numbers, and its list is taken"});
    }

    void leave_out_own() {
        const auto own = session_.find_own(answer_.clients);
        if (own == answer_.clients.end()) return;
        answer_.own_address_seen = own->address;
        answer_.own_local_seen = own->local_address;
        if (!answer_.own_id && own->id != 0) answer_.own_id = own->id;
        session_.own_id = answer_.own_id;
        if (own->address) session_.own_address = own->address;
        answer_.clients.erase(own);
    }

    RedisSession& session_;
    ServerAnswer& answer_;
    bool heard_ = false;  // the server has answered at least once
    bool over_ = false;
    std::optional<RedisError> login_refusal_;
};

}  // namespace

void run_queries(RedisSession& session, ServerAnswer& answer) {
    Queries(session, answer).run();
}

}  // namespace connleak::probes

#include "diagnosis/connections/verdict.h"

#include <algorithm>

namespace connleak {

namespace {

// The kernel's signs that nothing answers. Returns the evidence of the first that applies.
std::optional<Evidence> sign_of_death(const Socket& socket) {
    const Timer& timer = socket.timer;
    if (timer.kind == TimerKind::keepalive && timer.retransmits > 0)
        return Evidence::keepalive_unanswered;
    if (timer.kind == TimerKind::retransmit && timer.retransmits > 0)
        return Evidence::retransmitting;
    // A receiver that does not read still answers window probes, and each answer resets the count
    // to 0. One outstanding probe is normal.
    if (timer.kind == TimerKind::persist && timer.retransmits > 1) return Evidence::retransmitting;
    return std::nullopt;
}

Evidence kind_of_traffic(const Socket& socket) {
    if (!socket.info || socket.timer.kind != TimerKind::keepalive) return Evidence::recent_traffic;
    const TcpInfo& info = *socket.info;
    // An ACK later than any data of either side answers a probe.
    const bool bare = info.last_ack_received_ms < info.last_data_received_ms &&
                      info.last_ack_received_ms < info.last_data_sent_ms;
    return bare ? Evidence::keepalive_answered : Evidence::recent_traffic;
}

// tcp_keepalive_timer(): the connection is closed once TCP_KEEPCNT probes are unanswered. Redis
// sets KEEPINTVL to a third of tcp-keepalive and KEEPCNT to 3 (anetKeepAlive). If the timer is too
// long for that, the socket has other settings, which are not known.
std::optional<std::int64_t> gives_up_in_s(const Socket* server_socket,
                                          std::optional<std::uint64_t> keepalive_s) {
    if (!established(server_socket) || server_socket->timer.kind != TimerKind::keepalive)
        return std::nullopt;
    if (server_socket->timer.retransmits == 0 || !keepalive_s || *keepalive_s == 0)
        return std::nullopt;
    const std::int64_t interval_s =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(*keepalive_s / 3));
    constexpr std::int64_t probes = 3;
    const std::int64_t expires_ms = server_socket->timer.expires_ms;
    if (server_socket->timer.retransmits > probes || expires_ms > (interval_s + 1) * 1000)
        return std::nullopt;
    const std::int64_t left = probes - static_cast<std::int64_t>(server_socket->timer.retransmits);
    return expires_ms / 1000 + left * interval_s;
}

}  // namespace

bool established(const Socket* socket) {
    return socket != nullptr && socket->state == State::established;
}

Keepalive keepalive_of(const Socket& socket) {
    if (socket.state != State::established && socket.state != State::close_wait)
        return Keepalive::unknown;
    switch (socket.timer.kind) {
        case TimerKind::keepalive:
            return Keepalive::on;
        // The kernel reports the keepalive timer before the delayed ACK (inet_diag_msg_timer_fill),
        // so either of these proves that there is no keepalive timer.
        case TimerKind::off:
        case TimerKind::delack:
            return Keepalive::off;
        case TimerKind::retransmit:
        case TimerKind::persist:
            return Keepalive::masked;
        case TimerKind::timewait:
            return Keepalive::unknown;
    }
    return Keepalive::unknown;
}

std::optional<std::int64_t> last_heard_ms(const Socket& socket) {
    if (!socket.info) return std::nullopt;
    return std::min(socket.info->last_data_received_ms, socket.info->last_ack_received_ms);
}

std::optional<std::int64_t> peer_heard_ms(const Socket& socket) {
    constexpr std::uint32_t with_peer =
        state_bit(State::established) | state_bit(State::fin_wait_1) |
        state_bit(State::fin_wait_2) | state_bit(State::close_wait) | state_bit(State::last_ack) |
        state_bit(State::closing);
    if ((with_peer & state_bit(socket.state)) == 0) return std::nullopt;
    return last_heard_ms(socket);
}

std::optional<std::int64_t> least_age_ms(const Socket& socket) {
    if (!peer_heard_ms(socket)) return std::nullopt;
    const TcpInfo& info = *socket.info;
    return std::max(
        {info.last_data_sent_ms, info.last_data_received_ms, info.last_ack_received_ms});
}

void judge(Connection& connection, const Facts& facts, const Policy& policy,
           std::optional<std::uint64_t> keepalive_s) {
    // A snapshot shows a socket's past state: it proves only that the peer existed.
    const auto of_now = [](const Socket* socket) {
        return socket != nullptr && !from_snapshot(*socket) ? socket : nullptr;
    };
    const Socket* server = of_now(connection.server_socket);
    const Socket* client = of_now(connection.client_socket);
    const bool by_snapshot =
        server != connection.server_socket || client != connection.client_socket;
    // The server's side is judged if it is in sight, else the client's.
    const Socket* judged = server != nullptr ? server : client;

    connection.evidence.clear();
    if (facts.translated) connection.evidence.push_back(Evidence::nat_translated);
    const Socket* told = judged != nullptr                     ? judged
                         : connection.server_socket != nullptr ? connection.server_socket
                                                               : connection.client_socket;
    connection.keepalive = told != nullptr ? keepalive_of(*told) : Keepalive::unknown;
    connection.last_heard_ms = judged != nullptr ? last_heard_ms(*judged) : std::nullopt;
    if (judged == nullptr && connection.row != nullptr && connection.row->idle_s)
        connection.last_heard_ms = *connection.row->idle_s * 1000;
    connection.kernel_gives_up_in_s = gives_up_in_s(server, keepalive_s);

    const auto conclude = [&](Verdict verdict, std::optional<Evidence> evidence = std::nullopt) {
        connection.verdict = verdict;
        if (evidence) connection.evidence.push_back(*evidence);
    };

    // Closing states of either side come first.
    for (const Socket* side : {server, client}) {
        if (side == nullptr || side->state != State::close_wait) continue;
        conclude(Verdict::close_wait, Evidence::peer_closed);
        if (side == server && facts.accept_queue)
            connection.evidence.push_back(Evidence::accept_queue);
        return;
    }
    if (facts.accept_queue) return conclude(Verdict::unaccepted, Evidence::accept_queue);
    if (judged != nullptr && judged->state != State::established)
        return conclude(Verdict::transient);

    // The peer's own socket table.
    const bool not_listed = facts.listed && !*facts.listed;
    const auto sign = judged != nullptr ? sign_of_death(*judged) : std::nullopt;
    switch (facts.peer) {
        case PeerView::present:
            // The signs are current, a snapshot is older.
            if (by_snapshot && sign) return conclude(Verdict::suspect, sign);
            conclude(Verdict::healthy, facts.known_by_listing ? Evidence::server_listing
                                                              : Evidence::peer_socket_present);
            if (not_listed) connection.evidence.push_back(Evidence::server_not_listing);
            return;
        case PeerView::closing:
            return conclude(Verdict::suspect, Evidence::peer_closing);
        case PeerView::absent:
            if (server == nullptr && client != nullptr)
                return conclude(Verdict::orphan, facts.known_by_listing
                                                     ? Evidence::server_not_listing
                                                     : Evidence::peer_socket_absent);
            return conclude(Verdict::ghost, Evidence::peer_socket_absent);
        case PeerView::maybe_translated:
            connection.evidence.push_back(Evidence::nat_suspected);
            break;
        case PeerView::outdated:
            connection.evidence.push_back(Evidence::snapshot_too_old);
            break;
        case PeerView::out_of_sight:
            break;
    }

    // Signs from the kernel and from the server.
    if (sign) return conclude(Verdict::suspect, sign);
    if (server != nullptr && not_listed)
        return conclude(Verdict::suspect, Evidence::server_not_listing);

    // Recency.
    if (connection.last_heard_ms && *connection.last_heard_ms <= policy.recent_ms)
        return conclude(Verdict::healthy,
                        judged != nullptr ? kind_of_traffic(*judged) : Evidence::recent_traffic);
    conclude(Verdict::unverified, Evidence::peer_out_of_sight);
}

}  // namespace connleak

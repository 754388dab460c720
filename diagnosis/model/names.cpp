#include "diagnosis/model/report.h"

namespace connleak {

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::healthy:
            return "healthy";
        case Verdict::ghost:
            return "ghost";
        case Verdict::suspect:
            return "suspect";
        case Verdict::unverified:
            return "unverified";
        case Verdict::orphan:
            return "orphan";
        case Verdict::unaccepted:
            return "unaccepted";
        case Verdict::close_wait:
            return "close-wait";
        case Verdict::transient:
            return "transient";
    }
    return "unverified";
}

std::string_view to_string(Evidence evidence) {
    switch (evidence) {
        case Evidence::peer_socket_present:
            return "peer-socket-present";
        case Evidence::peer_socket_absent:
            return "peer-socket-absent";
        case Evidence::recent_traffic:
            return "recent-traffic";
        case Evidence::keepalive_answered:
            return "keepalive-answered";
        case Evidence::keepalive_unanswered:
            return "keepalive-unanswered";
        case Evidence::retransmitting:
            return "retransmitting";
        case Evidence::peer_closing:
            return "peer-closing";
        case Evidence::peer_closed:
            return "peer-closed";
        case Evidence::server_listing:
            return "server-listing";
        case Evidence::server_not_listing:
            return "server-not-listing";
        case Evidence::accept_queue:
            return "accept-queue";
        case Evidence::nat_translated:
            return "nat-translated";
        case Evidence::nat_suspected:
            return "nat-suspected";
        case Evidence::peer_out_of_sight:
            return "peer-out-of-sight";
        case Evidence::probe_answered:
            return "probe-answered";
        case Evidence::probe_reset:
            return "probe-reset";
        case Evidence::probe_unanswered:
            return "probe-unanswered";
        case Evidence::snapshot_too_old:
            return "snapshot-too-old";
    }
    return "";
}

std::string_view to_string(Keepalive keepalive) {
    switch (keepalive) {
        case Keepalive::on:
            return "on";
        case Keepalive::off:
            return "off";
        case Keepalive::masked:
            return "masked";
        case Keepalive::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::ok:
            return "ok";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            return "critical";
    }
    return "ok";
}

std::string_view to_string(State state) {
    switch (state) {
        case State::established:
            return "established";
        case State::syn_sent:
            return "syn_sent";
        case State::syn_received:
            return "syn_received";
        case State::fin_wait_1:
            return "fin_wait_1";
        case State::fin_wait_2:
            return "fin_wait_2";
        case State::time_wait:
            return "time_wait";
        case State::closed:
            return "closed";
        case State::close_wait:
            return "close_wait";
        case State::last_ack:
            return "last_ack";
        case State::listen:
            return "listen";
        case State::closing:
            return "closing";
    }
    return "closed";
}

std::string_view ss_name(State state) {
    switch (state) {
        case State::established:
            return "ESTAB";
        case State::syn_sent:
            return "SYN-SENT";
        case State::syn_received:
            return "SYN-RECV";
        case State::fin_wait_1:
            return "FIN-WAIT-1";
        case State::fin_wait_2:
            return "FIN-WAIT-2";
        case State::time_wait:
            return "TIME-WAIT";
        case State::closed:
            return "UNCONN";
        case State::close_wait:
            return "CLOSE-WAIT";
        case State::last_ack:
            return "LAST-ACK";
        case State::listen:
            return "LISTEN";
        case State::closing:
            return "CLOSING";
    }
    return "UNCONN";
}

std::string_view to_string(TimerKind kind) {
    switch (kind) {
        case TimerKind::off:
            return "off";
        case TimerKind::retransmit:
            return "retransmit";
        case TimerKind::keepalive:
            return "keepalive";
        case TimerKind::timewait:
            return "timewait";
        case TimerKind::persist:
            return "persist";
        case TimerKind::delack:
            return "delack";
    }
    return "off";
}

std::string_view to_string(Translation translation) {
    switch (translation) {
        case Translation::none:
            return "none";
        case Translation::tracked:
            return "tracked";
        case Translation::possible:
            return "possible";
        case Translation::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view to_string(GroupKind kind) {
    switch (kind) {
        case GroupKind::php_fpm_pool:
            return "php-fpm-pool";
        case GroupKind::unit:
            return "unit";
        case GroupKind::container:
            return "container";
        case GroupKind::executable:
            return "executable";
    }
    return "executable";
}

std::string_view to_string(ProxySign sign) {
    return sign == ProxySign::traffic ? "traffic" : "program";
}

}  // namespace connleak

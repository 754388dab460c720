#include "diagnosis/actions/proof.h"

#include <algorithm>

#include "diagnosis/connections/verdict.h"
#include "diagnosis/diagnose.h"

namespace connleak {

namespace {

// The kernel counts in ticks of up to 10 ms; a segment received before the probe is at least a
// second older.
constexpr std::int64_t tolerance_ms = 500;
// With a rate limit, sending enough probes can take longer than the waiting time, but not without
// bound.
constexpr std::int64_t longest_waiting = 4;

bool has_owner(const Sample& sample, const Socket& socket) {
    return socket.inode != 0 && sample.processes.owners.contains(socket.inode);
}

bool has(const Connection& connection, Evidence evidence) {
    return std::ranges::find(connection.evidence, evidence) != connection.evidence.end();
}

void see_again(Report& report, Connection& connection, const Proof& proof) {
    const Socket*& socket =
        proof.subject.client_side ? connection.client_socket : connection.server_socket;
    Socket now = proof.now ? *proof.now : *socket;
    if (proof.outcome == ProbeOutcome::reset) {
        now.state = State::closed;
        now.timer = {};
    }
    report.found_later.push_back(now);
    socket = &report.found_later.back();
    if (proof.outcome == ProbeOutcome::reset || connection.server_socket != socket) return;
    connection.keepalive = keepalive_of(*socket);
    connection.last_heard_ms = last_heard_ms(*socket);
}

void conclude_from(Connection& connection, ProbeOutcome outcome) {
    const auto dead = [&](Evidence evidence) {
        // An orphan stays an orphan: the server was seen not to have it.
        if (connection.verdict != Verdict::orphan) connection.verdict = Verdict::ghost;
        if (!has(connection, evidence)) connection.evidence.push_back(evidence);
    };
    const auto alive = [&](Evidence evidence) {
        // A closing peer answers too, but is not healthier for that.
        if (!has(connection, Evidence::peer_closing)) connection.verdict = Verdict::healthy;
        if (!has(connection, evidence)) connection.evidence.push_back(evidence);
    };
    switch (outcome) {
        case ProbeOutcome::answered:
            return alive(Evidence::probe_answered);
        case ProbeOutcome::heard:
            return alive(Evidence::recent_traffic);
        case ProbeOutcome::reset:
            return dead(Evidence::probe_reset);
        case ProbeOutcome::unanswered:
            return dead(Evidence::probe_unanswered);
        case ProbeOutcome::closed:
            connection.verdict = Verdict::transient;
            connection.evidence.clear();
            return;
        case ProbeOutcome::undecided:
        case ProbeOutcome::not_probed:
            return;
    }
}

}  // namespace

std::vector<Subject> choose_subjects(const Sample& sample, const Report& report, bool all) {
    std::vector<Subject> subjects;
    for (std::size_t at = 0; at < report.connections.size(); ++at) {
        const Connection& connection = report.connections[at];
        if (is_unix(connection)) continue;  // a Unix socket cannot be probed
        switch (connection.verdict) {
            case Verdict::unverified:
            case Verdict::suspect:
                break;
            case Verdict::healthy:
            case Verdict::ghost:
            case Verdict::orphan:
                if (!all) continue;
                break;
            case Verdict::unaccepted:
            case Verdict::close_wait:
            case Verdict::transient:
                continue;
        }
        // A socket from another host's snapshot cannot be borrowed here, even if a local process
        // has the same pid.
        const auto here = [](const Socket* socket) {
            return established(socket) && !from_snapshot(*socket);
        };
        const bool server = here(connection.server_socket);
        const bool client = here(connection.client_socket);
        if (!server && !client) continue;
        const bool server_can = server && has_owner(sample, *connection.server_socket);
        const bool client_can = client && has_owner(sample, *connection.client_socket);
        subjects.push_back({at, !server || (!server_can && client_can)});
    }
    return subjects;
}

const Socket& socket_of(const Report& report, const Subject& subject) {
    const Connection& connection = report.connections[subject.connection];
    return subject.client_side ? *connection.client_socket : *connection.server_socket;
}

std::optional<ProbeOutcome> decide(const Watched& watched, const Socket* now, std::int64_t now_ms) {
    if (now == nullptr) return watched.reset_seen ? ProbeOutcome::reset : ProbeOutcome::closed;
    if (now->state == State::closed && watched.reset_seen) return ProbeOutcome::reset;
    if (now->state != State::established) return ProbeOutcome::closed;
    const auto heard_ms = last_heard_ms(*now);
    if (heard_ms && now_ms - *heard_ms > watched.probed_at - tolerance_ms)
        return ProbeOutcome::answered;
    const std::int64_t waited_ms = now_ms - watched.probed_at;
    if (waited_ms < watched.wait_ms) return std::nullopt;
    if (heard_ms && watched.probes >= enough_probes) return ProbeOutcome::unanswered;
    // One probe and no copies, or copies that cannot be sent: more waiting proves nothing.
    const bool slow = watched.probes > 1 && waited_ms < watched.wait_ms * longest_waiting;
    return slow ? std::nullopt : std::optional(ProbeOutcome::undecided);
}

void apply_proofs(const Sample& sample, const Policy& policy, const std::vector<Proof>& proofs,
                  Report& report) {
    Probes probes = report.probes.value_or(Probes{});
    std::vector<bool> gone(report.connections.size());
    for (const Proof& proof : proofs) {
        Connection& connection = report.connections[proof.subject.connection];
        probes.sent += proof.sent ? 1 : 0;
        probes.restored += proof.sent && proof.restored ? 1 : 0;
        probes.answered += proof.outcome == ProbeOutcome::answered ? 1 : 0;
        probes.reset += proof.outcome == ProbeOutcome::reset ? 1 : 0;
        probes.unanswered += proof.outcome == ProbeOutcome::unanswered ? 1 : 0;
        if (proof.now || proof.outcome == ProbeOutcome::reset) see_again(report, connection, proof);
        conclude_from(connection, proof.outcome);
        gone[proof.subject.connection] = proof.outcome == ProbeOutcome::closed && !proof.now;
    }
    report.probes = probes;
    std::size_t kept = 0;
    for (std::size_t at = 0; at < report.connections.size(); ++at) {
        if (gone[at]) continue;
        if (kept != at) report.connections[kept] = std::move(report.connections[at]);
        ++kept;
    }
    report.connections.resize(kept);
    conclude(sample, policy, report);
}

}  // namespace connleak

#include "collect/probe/prove.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <queue>
#include <thread>

#include "collect/probe/namespaces.h"
#include "collect/stop_signals.h"
#include "diagnosis/model/phrase.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

using probes::BorrowedSocket;
using probes::KeepaliveProbe;

// A socket heard within this time is not idle long enough to be probed (TCP_KEEPIDLE counts in
// seconds).
constexpr std::int64_t quiet_ms = 1000;
// Maximum borrowed at the same time: limits our descriptors, and the owners whose close() waits for
// us.
constexpr std::size_t most_borrowed = 256;
// The kernel's timer fires within some milliseconds; while the owner uses the socket, it retries
// every 50 ms.
constexpr std::int64_t sending_ms = 500;
// Time for the probe to pass the queues and appear on the wire, and for a nearby peer's reset.
constexpr std::int64_t appearing_ms = 50;
// Without a probe channel, only a borrowed socket can distinguish a reset from an ordinary close,
// so it is held for one round trip.
constexpr std::int64_t resetting_ms = 300;
// Three in half a second, the interval in which a Linux peer answers at most one of them
// (tcp_invalid_ratelimit).
constexpr std::int64_t copy_interval_ms = 175;
constexpr std::int64_t copies_per_rate = 10;
constexpr std::int64_t look_interval_ms = 100;

// A rate limit per second, with a burst of half a second's worth.
class Allowance {
  public:
    explicit Allowance(std::int64_t per_second)
        : per_second_(static_cast<double>(per_second)), left_(per_second_ / 2) {}
    void pass(std::int64_t ms) {
        left_ = std::min(left_ + per_second_ * static_cast<double>(ms) / 1000,
                         std::max(1.0, per_second_ / 2));
    }
    bool take() {
        if (left_ < 1) return false;
        left_ -= 1;
        return true;
    }

  private:
    double per_second_;
    double left_;
};

class Prover {
  public:
    Prover(Run& run, const std::vector<Subject>& subjects, const ProofOptions& options)
        : sample_(run.sample()),
          candidates_(make_candidates(run, subjects)),
          namespaces_(run.namespaces(), candidates_),
          options_(options),
          taking_up_(options.rate),
          copying_(options.rate * copies_per_rate) {
        for (std::size_t at = 0; at < candidates_.size(); ++at) queue_.push({0, at});
    }

    bool step() {
        const std::int64_t now = clock();
        taking_up_.pass(now - last_step_);
        copying_.pass(now - last_step_);
        last_step_ = now;
        take_up(now);
        namespaces_.receive(candidates_);
        look_at_borrowed(now);
        if (now >= next_look_) {
            look_at_waiting();
            next_look_ = clock() + look_interval_ms;
        }
        send_copies(now);
        return !queue_.empty() || !borrowed_.empty() || !waiting_.empty();
    }

    void pause() const {
        std::this_thread::sleep_for(std::chrono::milliseconds(borrowed_.empty() ? 5 : 2));
    }

    // Restores the sockets that are borrowed now; undecided ones stay undecided.
    void leave_rest() {
        for (const std::size_t at : borrowed_) {
            Candidate& candidate = candidates_[at];
            candidate.proof.sent |= candidate.probe->look() != KeepaliveProbe::Step::waiting;
            if (candidate.proof.sent) candidate.proof.outcome = ProbeOutcome::undecided;
            give_back(candidate);
        }
        for (const std::size_t at : waiting_)
            candidates_[at].proof.outcome = ProbeOutcome::undecided;
        left_ = queue_.size() + borrowed_.size() + waiting_.size();
    }

    [[nodiscard]] ProofProgress progress() const {
        ProofProgress progress;
        progress.wanted = candidates_.size();
        progress.taken_up = candidates_.size() - queue_.size();
        progress.waiting = waiting_.size() + borrowed_.size();
        for (const Candidate& candidate : candidates_) {
            progress.answered += candidate.proof.outcome == ProbeOutcome::answered ? 1 : 0;
            progress.reset += candidate.proof.outcome == ProbeOutcome::reset ? 1 : 0;
        }
        return progress;
    }

    ProofEnd end(Run& run, bool interrupted) {
        std::vector<Proof> proofs;
        ProofEnd end{.wanted = candidates_.size(), .decided = 0, .interrupted = interrupted};
        std::size_t not_restored = 0;
        for (const Candidate& candidate : candidates_) {
            proofs.push_back(candidate.proof);
            end.decided += candidate.proof.outcome != ProbeOutcome::undecided &&
                                   candidate.proof.outcome != ProbeOutcome::not_probed
                               ? 1
                               : 0;
            not_restored += candidate.lost ? 1 : 0;
        }
        std::vector<Gap>& gaps = sample_.gaps;
        namespaces_.tell_gaps(candidates_, gaps);
        for (const auto& [why, many] : not_done_)
            gaps.push_back({"proc", why.scope, why.error,
                            fmt::format("{} not verified: {}",
                                        phrase::count(many, "connection was", "connections were"),
                                        why.reason)});
        if (interrupted)
            gaps.push_back(
                {"proc", "verification", "EINTR",
                 fmt::format("interrupted: {} not verified",
                             phrase::count(left_, "connection was", "connections were"))});
        if (not_restored > 0)
            gaps.push_back({"proc", "verification", "EIO",
                            fmt::format("the keepalive settings of {} could not be put back",
                                        phrase::count(not_restored, "connection"))});
        apply_proofs(run.sample(), run.policy(), proofs, run.report());
        return end;
    }

  private:
    static std::vector<Candidate> make_candidates(Run& run, const std::vector<Subject>& subjects) {
        std::vector<Candidate> candidates(subjects.size());
        for (std::size_t at = 0; at < subjects.size(); ++at) {
            candidates[at].subject = candidates[at].proof.subject = subjects[at];
            candidates[at].socket = &socket_of(run.report(), subjects[at]);
        }
        return candidates;
    }

    [[nodiscard]] std::int64_t clock() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - begin_)
            .count();
    }

    void not_done(Candidate& candidate, ProbeOutcome outcome, std::string scope, std::string error,
                  std::string_view reason) {
        candidate.proof.outcome = outcome;
        ++not_done_[{std::move(scope), std::move(error), std::string(reason)}];
    }

    void take_up(std::int64_t now) {
        while (!queue_.empty() && queue_.top().first <= now && borrowed_.size() < most_borrowed &&
               taking_up_.take()) {
            const std::size_t at = queue_.top().second;
            queue_.pop();
            begin(at, clock());
        }
    }

    // From the first owner from which it can be borrowed.
    std::optional<BorrowedSocket> borrow(Candidate& candidate) {
        const auto owners = sample_.processes.owners.find(candidate.socket->inode);
        if (candidate.socket->inode == 0 || owners == sample_.processes.owners.end()) {
            not_done(candidate, ProbeOutcome::not_probed, "owners", "ENOENT",
                     "no process in sight holds the socket, so that it cannot be borrowed");
            return std::nullopt;
        }
        std::optional<probes::BorrowError> refused;
        std::int32_t pid = 0;
        for (const Owner& owner : owners->second) {
            auto borrowed = BorrowedSocket::borrow(owner, candidate.socket->cookie);
            if (borrowed) return std::move(*borrowed);
            if (borrowed.error().gone() && refused) continue;
            refused = borrowed.error();
            pid = owner.pid;
        }
        if (refused && !refused->gone())
            not_done(candidate, ProbeOutcome::not_probed, fmt::format("pid {}", pid),
                     errno_name(refused->code),
                     refused->missing.empty() ? "its descriptor could not be borrowed"
                                              : std::string_view(refused->missing));
        else
            waiting_.push_back(at(candidate));  // closed meanwhile: the kernel's table shows how
        return std::nullopt;
    }

    void begin(std::size_t index, std::int64_t now) {
        Candidate& candidate = candidates_[index];
        auto borrowed = borrow(candidate);
        if (!borrowed) return;
        const auto info = borrowed->info();
        if (info && info->heard_ms < quiet_ms && info->state == State::established) {
            const std::int64_t heard_at = now - info->heard_ms;
            if (candidate.heard_at && heard_at > *candidate.heard_at + quiet_ms / 2) {
                candidate.proof.outcome = ProbeOutcome::heard;
                return;
            }
            candidate.heard_at = candidate.heard_at.value_or(heard_at);
            queue_.push({heard_at + quiet_ms + quiet_ms / 20, index});
            return;
        }
        candidate.mark = borrowed->mark();
        candidate.watched = {.probed_at = now, .wait_ms = options_.wait_ms, .probes = 1};
        candidate.borrowed_at = now;
        auto probe = KeepaliveProbe::begin(std::move(*borrowed), options_.wait_ms / 1000);
        if (!probe) {
            candidate.watched.probes = 0;
            const auto& error = probe.error();
            candidate.refused = error.refused;
            if (error.code == ENOTCONN || !error.refused.empty())
                waiting_.push_back(index);
            else
                not_done(candidate, ProbeOutcome::not_probed, "sockets", errno_name(error.code),
                         "its settings could not be read or changed");
            return;
        }
        candidate.probe.emplace(std::move(*probe));
        borrowed_.push_back(index);
    }

    void give_back(Candidate& candidate) {
        candidate.proof.restored = candidate.probe->restore();
        candidate.lost = !candidate.proof.restored;
        candidate.probe.reset();
    }

    void look_at_borrowed(std::int64_t now) {
        std::erase_if(borrowed_, [&](std::size_t index) {
            Candidate& candidate = candidates_[index];
            const auto step = candidate.probe->look();
            if (step == KeepaliveProbe::Step::waiting) {
                if (now - candidate.borrowed_at < sending_ms) return false;
                give_back(candidate);
                not_done(candidate, ProbeOutcome::not_probed, "sockets", "ETIME",
                         "the kernel did not send the probe: the socket is in use");
                return true;
            }
            if (!candidate.proof.sent) candidate.sent_at = now;
            candidate.proof.sent = true;  // or answered before that: it is alive in either case
            const bool wire = namespaces_.has_wire(*candidate.socket);
            const bool seen = candidate.seen.size() == 1 && candidate.probe->alone();
            if (step == KeepaliveProbe::Step::sent &&
                now - candidate.sent_at < (wire ? appearing_ms : resetting_ms) && !seen)
                return false;
            if (step == KeepaliveProbe::Step::sent && seen) {
                probes::ProbeChannel::Copy& copy = candidate.seen.front();
                copy.mark = candidate.mark;
                probes::fill_checksum(copy.packet);
                candidate.copies = true;
                candidate.next_copy = now + copy_interval_ms;
            }
            // While it was borrowed its owner could not close it, so this was a reset.
            if (step == KeepaliveProbe::Step::ended && !wire) candidate.watched.reset_seen = true;
            give_back(candidate);
            waiting_.push_back(index);
            if (step != KeepaliveProbe::Step::sent) next_look_ = 0;
            return true;
        });
    }

    [[nodiscard]] std::optional<ProbeOutcome> outcome_of(const Candidate& candidate,
                                                         const Socket* socket) const {
        const auto decided = decide(candidate.watched, socket, clock());
        if (candidate.proof.sent) return decided;
        if (socket == nullptr || socket->state != State::established) return ProbeOutcome::closed;
        if (candidate.refused.empty()) return ProbeOutcome::not_probed;
        // Only watched: it can hear its peer without our probe.
        if (!decided) return std::nullopt;
        return *decided == ProbeOutcome::answered ? ProbeOutcome::heard : ProbeOutcome::not_probed;
    }

    void look_at_waiting() {
        namespaces_.look(candidates_, waiting_, [&](std::size_t index, const Socket* socket) {
            Candidate& candidate = candidates_[index];
            // The channel may have seen a reset before the socket ended, but after our last look
            // there.
            if (socket == nullptr) namespaces_.receive(candidates_);
            const auto outcome = outcome_of(candidate, socket);
            if (!outcome) return;
            candidate.decided = true;
            if (socket != nullptr) candidate.proof.now = *socket;
            candidate.proof.outcome = *outcome;
            if (*outcome == ProbeOutcome::not_probed)
                not_done(candidate, ProbeOutcome::not_probed, "sockets",
                         candidate.refused.empty() ? "ESTALE" : "EBUSY",
                         candidate.refused.empty() ? "it has gone over to another owner meanwhile"
                                                   : candidate.refused);
            if (*outcome == ProbeOutcome::undecided &&
                (candidate.copies || namespaces_.has_wire(*candidate.socket)))
                not_done(candidate, ProbeOutcome::undecided, "sockets", "ETIMEDOUT",
                         candidate.copies
                             ? "too few probes could be sent to call silence death"
                             : "one probe, which was not answered, is too little to call silence "
                               "death, and it could not be repeated");
        });
        std::erase_if(waiting_, [&](std::size_t index) { return candidates_[index].decided; });
    }

    void send_copies(std::int64_t now) {
        if (waiting_.empty()) return;
        const auto many = static_cast<std::int64_t>(waiting_.size());
        const std::int64_t interval =
            std::max(copy_interval_ms,
                     many * 1000 / std::max<std::int64_t>(1, options_.rate * copies_per_rate));
        for (const std::size_t index : waiting_) {
            Candidate& candidate = candidates_[index];
            if (!candidate.copies || now < candidate.next_copy) continue;
            if (!copying_.take()) return;
            candidate.next_copy = now + interval;
            if (namespaces_.send_copy(candidate)) ++candidate.watched.probes;
        }
    }

    [[nodiscard]] std::size_t at(const Candidate& candidate) const {
        return static_cast<std::size_t>(&candidate - candidates_.data());
    }

    struct Why {
        std::string scope;
        std::string error;
        std::string reason;
        friend auto operator<=>(const Why&, const Why&) = default;
    };
    using Due = std::pair<std::int64_t, std::size_t>;

    Sample& sample_;
    std::vector<Candidate> candidates_;
    ProbedNamespaces namespaces_;
    ProofOptions options_;
    Allowance taking_up_;
    Allowance copying_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> queue_;  // not started yet
    std::vector<std::size_t> borrowed_;
    std::vector<std::size_t> waiting_;  // probed and returned, or ended meanwhile
    std::map<Why, std::size_t> not_done_;
    std::size_t left_ = 0;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::int64_t last_step_ = 0;
    std::int64_t next_look_ = 0;
};

}  // namespace

ProofEnd prove(Run& run, const std::vector<Subject>& subjects, const ProofOptions& options,
               const std::function<void(const ProofProgress&)>& show) {
    const StopSignals signals;
    Prover prover(run, subjects, options);
    constexpr std::chrono::milliseconds show_interval{200};
    auto shown = std::chrono::steady_clock::time_point();
    bool more = !subjects.empty();
    while (more && !StopSignals::asked()) {
        more = prover.step();
        const auto now = std::chrono::steady_clock::now();
        if (now - shown >= show_interval) {
            show(prover.progress());
            shown = now;
        }
        if (more) prover.pause();
    }
    if (more) prover.leave_rest();
    return prover.end(run, more);
}

}  // namespace connleak::collect

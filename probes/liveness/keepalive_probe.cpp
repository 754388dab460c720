#include "probes/liveness/keepalive_probe.h"

#include <cerrno>
#include <utility>

namespace connleak::probes {

namespace {

// Added to the wait: time for the rest of the run, and for a peer that returns at that moment.
constexpr std::int64_t margin_s = 5;

// Time from restoring the settings, when the timer starts with the full idle time, to the last of
// the kernel's own probes before it gives up. Negative if there is none.
std::int64_t last_own_probe_s(const KeepaliveSettings& settings, const LiveInfo& info) {
    const std::int64_t own = settings.count - (info.probes + 1);
    return own < 1 ? -1 : settings.idle_s + (own - 1) * std::int64_t{settings.interval_s};
}

}  // namespace

std::string_view why_not_probed(const KeepaliveSettings& settings, const LiveInfo& info,
                                std::int64_t wait_s) {
    if (info.unacked != 0 || info.unsent_bytes != 0)
        return "data are on their way to the peer: the kernel sends these again, and no probe";
    if (!settings.writable())
        return "the host's keepalive defaults (sysctl net.ipv4.tcp_keepalive_*) are above what a "
               "socket takes, so that they could not be put back";
    if (settings.on && settings.user_timeout_ms != 0)
        return "keepalive with TCP_USER_TIMEOUT: a probe without an answer would close it";
    if (settings.on && last_own_probe_s(settings, info) < wait_s + margin_s)
        return "its own keepalive is near its end: one more probe without an answer could close it";
    return "";
}

KeepaliveProbe::KeepaliveProbe(BorrowedSocket socket, const KeepaliveSettings& before,
                               const LiveInfo& info)
    : socket_(std::move(socket)), before_(before), at_begin_(info), now_(info) {}

KeepaliveProbe::KeepaliveProbe(KeepaliveProbe&& other) noexcept
    : socket_(std::move(other.socket_)),
      before_(other.before_),
      at_begin_(other.at_begin_),
      now_(other.now_),
      changed_(std::exchange(other.changed_, false)),
      restored_(other.restored_) {}

std::expected<KeepaliveProbe, KeepaliveProbe::Refusal> KeepaliveProbe::begin(BorrowedSocket socket,
                                                                             std::int64_t wait_s) {
    const auto info = socket.info();
    if (!info) return std::unexpected(Refusal{info.error(), ""});
    const auto settings = socket.read();
    if (!settings) return std::unexpected(Refusal{settings.error(), ""});
    if (info->state != State::established) return std::unexpected(Refusal{ENOTCONN, ""});
    if (const auto refused = why_not_probed(*settings, *info, wait_s); !refused.empty())
        return std::unexpected(Refusal{0, refused});
    KeepaliveProbe probe(std::move(socket), *settings,
                         *info);  // also restores settings after a partial change
    if (const int failure = probe.socket_.trigger_probe())
        return std::unexpected(Refusal{failure, ""});
    return probe;
}

KeepaliveProbe::Step KeepaliveProbe::look() {
    const auto info = socket_.info();
    if (!info) return Step::waiting;
    now_ = *info;
    if (now_.state != State::established) return Step::ended;
    if (now_.heard_ms < at_begin_.heard_ms) return Step::answered;
    return now_.probes > at_begin_.probes ? Step::sent : Step::waiting;
}

bool KeepaliveProbe::alone() const {
    // When the owner reads data, the kernel can send a window update, which is a bare ACK too.
    return now_.segments_sent - at_begin_.segments_sent == 1 &&
           now_.unread_bytes == at_begin_.unread_bytes;
}

bool KeepaliveProbe::restore() {
    if (!std::exchange(changed_, false)) return restored_;
    restored_ = socket_.write(before_) == 0 && socket_.read() == before_;
    return restored_;
}

}  // namespace connleak::probes

#include "probes/liveness/borrowed_socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace connleak::probes {

namespace {

int set(const Descriptor& descriptor, int level, int name, int value) {
    return setsockopt(descriptor.get(), level, name, &value, sizeof value) == 0 ? 0 : errno;
}

template <typename Value>
int get(const Descriptor& descriptor, int level, int name, Value& value) {
    socklen_t size = sizeof value;
    return getsockopt(descriptor.get(), level, name, &value, &size) == 0 ? 0 : errno;
}

BorrowError refused(int code) {
    if (code == EPERM || code == EACCES)
        return {
            code,
            "borrowing its descriptors (pidfd_getfd) takes CAP_SYS_PTRACE, or the same user and "
            "kernel.yama.ptrace_scope 0"};
    if (code == ENOSYS)
        return {code, "borrowing descriptors (pidfd_getfd) takes Linux 5.6 or later"};
    if (code == EMFILE || code == ENFILE)
        return {code, "a higher limit of open files (RLIMIT_NOFILE)"};
    return {code, ""};
}

}  // namespace

bool BorrowError::gone() const {
    // EBADF: the owner has closed it. EINVAL: pidfd_open() of a process that has ended and left a
    // thread.
    return code == ESRCH || code == EBADF || code == ESTALE || code == EINVAL;
}

bool KeepaliveSettings::writable() const {
    const auto within = [](int value, int most) { return value >= 1 && value <= most; };
    return within(idle_s, longest_keepalive_s) && within(interval_s, longest_keepalive_s) &&
           within(count, most_keepalive_probes);
}

std::expected<BorrowedSocket, BorrowError> BorrowedSocket::borrow(const Owner& owner,
                                                                  std::uint64_t cookie) {
    const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, owner.pid, 0)));
    if (!process) return std::unexpected(refused(errno));
    Descriptor descriptor(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), owner.fd, 0)));
    if (!descriptor) return std::unexpected(refused(errno));
    std::uint64_t its_cookie = 0;
    if (get(descriptor, SOL_SOCKET, SO_COOKIE, its_cookie) != 0 || its_cookie != cookie)
        return std::unexpected(BorrowError{ESTALE, ""});
    return BorrowedSocket(std::move(descriptor));
}

std::expected<KeepaliveSettings, int> BorrowedSocket::read() const {
    KeepaliveSettings settings;
    int on = 0;
    int failure = get(descriptor_, SOL_SOCKET, SO_KEEPALIVE, on);
    settings.on = on != 0;
    if (failure == 0) failure = get(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, settings.idle_s);
    if (failure == 0) failure = get(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, settings.interval_s);
    if (failure == 0) failure = get(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, settings.count);
    if (failure == 0)
        failure = get(descriptor_, IPPROTO_TCP, TCP_USER_TIMEOUT, settings.user_timeout_ms);
    if (failure != 0) return std::unexpected(failure);
    return settings;
}

int BorrowedSocket::write(const KeepaliveSettings& settings) const {
    const auto now = read();
    if (!now) return now.error();
    if (*now == settings) return 0;
    int first = 0;
    const auto put = [&](bool differs, int level, int name, int value) {
        const int failure = differs ? set(descriptor_, level, name, value) : 0;
        if (first == 0) first = failure;
    };
    // Setting TCP_KEEPIDLE while keepalive is on restarts the timer with the silent time subtracted
    // (tcp_sock_set_keepidle_locked()): it could fire at once and close a connection with enough
    // unanswered probes. Turned off and on, it starts with the full time (tcp_set_keepalive()).
    const bool timer_values =
        now->idle_s != settings.idle_s || now->interval_s != settings.interval_s ||
        now->count != settings.count || now->user_timeout_ms != settings.user_timeout_ms;
    const bool pause = now->on && (timer_values || !settings.on);
    put(pause, SOL_SOCKET, SO_KEEPALIVE, 0);
    put(now->idle_s != settings.idle_s, IPPROTO_TCP, TCP_KEEPIDLE, settings.idle_s);
    put(now->interval_s != settings.interval_s, IPPROTO_TCP, TCP_KEEPINTVL, settings.interval_s);
    put(now->count != settings.count, IPPROTO_TCP, TCP_KEEPCNT, settings.count);
    put(now->user_timeout_ms != settings.user_timeout_ms, IPPROTO_TCP, TCP_USER_TIMEOUT,
        static_cast<int>(settings.user_timeout_ms));
    put(settings.on, SOL_SOCKET, SO_KEEPALIVE, 1);
    return first;
}

int BorrowedSocket::trigger_probe() const {
    // First the settings that could close it; last TCP_KEEPIDLE, which starts the timer.
    if (const int failure = set(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, most_keepalive_probes))
        return failure;
    if (const int failure = set(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, longest_keepalive_s))
        return failure;
    // With a user timeout, one unanswered probe closes the connection (tcp_keepalive_timer()).
    if (const int failure = set(descriptor_, IPPROTO_TCP, TCP_USER_TIMEOUT, 0)) return failure;
    if (const int failure = set(descriptor_, SOL_SOCKET, SO_KEEPALIVE, 1)) return failure;
    return set(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, 1);
}

std::expected<LiveInfo, int> BorrowedSocket::info() const {
    tcp_info info{};  // fields that the kernel does not know stay 0
    if (const int failure = get(descriptor_, IPPROTO_TCP, TCP_INFO, info))
        return std::unexpected(failure);
    LiveInfo live;
    live.state = static_cast<State>(info.tcpi_state);
    live.probes = info.tcpi_probes;
    live.unacked = info.tcpi_unacked;
    live.unsent_bytes = info.tcpi_notsent_bytes;
    live.heard_ms = std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv);
    live.segments_sent = info.tcpi_segs_out;
    int unread = 0;
    if (ioctl(descriptor_.get(), SIOCINQ, &unread) == 0 && unread > 0)
        live.unread_bytes = static_cast<std::uint32_t>(unread);
    return live;
}

std::uint32_t BorrowedSocket::mark() const {
    std::uint32_t mark = 0;
    return get(descriptor_, SOL_SOCKET, SO_MARK, mark) == 0 ? mark : 0;
}

}  // namespace connleak::probes
